"""The check that a boot file makes before all other imports: Python's version, and the packages that are installed.

An old Python reads this file too, 2.7 included, so that it can say that it is too old.
"""

import os
import sys

MIN_VERSION, MAX_VERSION = (3, 11), (3, 13)
# What the requirements install, by the names that are imported.
SERVING = ("numpy", "starlette", "uvicorn", "uvloop", "httptools", "orjson", "python_multipart", "prometheus_client",
           "ai_edge_litert", "PIL")  # fmt: skip
ALL = ("hydra", "tensorflow", "mlflow", "keras", "optuna", "tensorboard", "h5py", "omegaconf", "pydantic", "click",
       "cmaes", "pandas", "psycopg", "pymysql", "backports", "matplotlib", "plotly", "psutil", "rich", "sklearn",
       "scipy", "jinja2", "tqdm", "grpc") + SERVING  # fmt: skip
MAX_SHOWN = 3
PROJECT_FOLDER = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))


def check(program, packages=ALL):
    # type: (str, tuple[str, ...]) -> None
    """End the process with exit code 2 and a line on standard error, where this Python cannot run the project.

    A package that is there and broken is no matter of this: its import ends with a traceback.

    Args:
        program: what the line begins with.
        packages: the names that must be importable.
    """
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < MIN_VERSION:
        first, last = (".".join(map(str, bound)) for bound in (MIN_VERSION, MAX_VERSION))
        law = "is Python {}: the project needs {} to {}".format(version, first, last)
        _refuse(program, "{} {}; {}".format(sys.executable, law, _way_on()))
    missing = _missing(packages)
    if missing:
        names = ", ".join(missing[:MAX_SHOWN])
        more = " and {} more".format(len(missing) - MAX_SHOWN) if len(missing) > MAX_SHOWN else ""
        _refuse(program, "{} has no {}{}; {}".format(sys.executable, names, more, _way_on()))


def _missing(packages):
    # type: (tuple[str, ...]) -> list[str]
    """Return the packages that are not installed; none of them is imported."""
    from importlib.util import find_spec

    return [name for name in packages if find_spec(name) is None]


def _way_on():
    # type: () -> str
    environment = os.path.join(PROJECT_FOLDER, ".venv")
    if os.path.realpath(sys.prefix) == os.path.realpath(environment):
        return "install them: pip install -r requirements.txt"
    if os.path.exists(os.path.join(environment, "bin", "python")):
        return "activate the project's environment first: source .venv/bin/activate"
    return 'set up the environment: "make train" creates it, and trains; later: source .venv/bin/activate'


def _refuse(program, cause):
    # type: (str, str) -> None
    sys.stderr.write("{}: error: {}\n".format(program, cause))
    sys.exit(2)

"""The first line of a boot file that the wrong Python runs: what is missing, and what to type."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from support.entry import PROJECT
from trialmaker.platform import interpreter

BOOT_FILES = ("train.py", "predict.py", "src/trialmaker/platform/interpreter.py")
WAY_ON = (
    'set up the environment: "make train" creates it, and trains; later: source .venv/bin/activate',
    "activate the project's environment first: source .venv/bin/activate",
    "install them: pip install -r requirements.txt",
)


def run(*words: str) -> tuple[int, str, str]:
    """Run this Python without what is installed for it, as another one that is not the environment's."""
    done = subprocess.run([sys.executable, "-E", "-S", *words], cwd=PROJECT, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("words", "program", "first"),
    [
        (("train.py", "--model", "cnn"), "train.py", "hydra, tensorflow, mlflow"),
        (("train.py", "--help"), "train.py", "hydra, tensorflow, mlflow"),
        (("predict.py",), "predict.py", "numpy, starlette, uvicorn"),
    ],
)
def test_without_the_environment_there_is_a_line_that_says_how_to_set_it_up(
    words: tuple[str, ...], program: str, first: str
) -> None:
    code, out, err = run(*words)
    (line,) = err.splitlines()
    assert (code, out) == (2, "")
    assert re.match(rf"{program}: error: {re.escape(sys.executable)} has no {first} and \d+ more; ", line), line
    assert line.endswith(WAY_ON)


@pytest.mark.parametrize("words", [("train.py",), ("predict.py",)])
def test_an_old_python_says_so(words: tuple[str, ...]) -> None:
    old = (
        f"import runpy, sys; sys.version_info = (3, 8, 20, 'final', 0); runpy.run_path({words[0]!r}, None, '__main__')"
    )
    code, _, err = run("-c", old)
    start = f"{words[0]}: error: {sys.executable} is Python 3.8.20: the project needs 3.11 to 3.13; "
    assert code == 2 and err.startswith(start) and len(err.splitlines()) == 1, err


@pytest.mark.parametrize("file", BOOT_FILES)
def test_an_old_python_can_read_the_boot_files(file: str) -> None:
    """Python 3.4 by its grammar; 2.7 by the absence of what it has not: annotations, ``pathlib``, f-strings."""
    text = (PROJECT / file).read_text()
    tree = ast.parse(text, feature_version=(3, 4))
    assert text.isascii() and "pathlib" not in text
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.AnnAssign | ast.JoinedStr | ast.NamedExpr)]
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.arg) and node.annotation]


@pytest.mark.parametrize("content", ["import nothing_of_this_name", "raise ImportError('broken')"])
def test_a_package_that_is_broken_keeps_its_traceback(content: str, tmp_path: Path) -> None:
    (tmp_path / "omegaconf").mkdir()
    (tmp_path / "omegaconf" / "__init__.py").write_text(content)
    boot = f"import runpy, sys; sys.path.insert(0, {str(tmp_path)!r}); runpy.run_path('train.py', None, '__main__')"
    done = subprocess.run([sys.executable, "-c", boot], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 1 and "Traceback" in done.stderr and "make train" not in done.stderr


def test_the_packages_are_those_of_the_requirements() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    required = {_normal(re.split(r"[\[<>=! ]", text)[0]) for text in project["dependencies"]}
    providers = packages_distributions()
    checked = {_normal(name) for package in interpreter.ALL for name in providers[package]}
    assert required - checked == set() and len(interpreter.ALL) == len(required)
    low, high = re.findall(r"3\.(\d+)", project["requires-python"])
    assert ((3, int(low)), (3, int(high) - 1)) == (interpreter.MIN_VERSION, interpreter.MAX_VERSION)


def _normal(name: str) -> str:
    return re.sub("[-_.]+", "-", name).lower()

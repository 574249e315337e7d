"""The platform's directories, or the same tree on a laptop."""

import os
from contextlib import suppress
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
SOURCE = PACKAGE.parent  # what Python finds the package in: src/, or where it is installed
IS_INSTALLED = (PACKAGE / "project").is_dir()  # to which a wheel copies what lies beside src/
# The checkout; of an installed package that folder.
PROJECT = PACKAGE / "project" if IS_INSTALLED else SOURCE.parent
CONF = PROJECT / "conf"
SWEEPS = PROJECT / "sweeps"
TRAIN_COMMANDS = ("python train.py", "trialmaker-train")  # in a checkout, and of an installed package
PLATFORM = Path("/opt/ai")  # the platform's root


def root() -> Path:
    """Return the platform's root: ``AI_ROOT`` if it is set, else ``/opt/ai`` if it exists, else ``workspace/``.

    That lies in the checkout, and for an installed package in the current directory.
    """
    if os.environ.get("AI_ROOT"):
        return Path(os.environ["AI_ROOT"]).absolute()
    return PLATFORM if PLATFORM.is_dir() else (Path.cwd() if IS_INSTALLED else PROJECT) / "workspace"


def train_command() -> str:
    """Return what a person types to train."""
    return TRAIN_COMMANDS[IS_INSTALLED]


def serve_command() -> str:
    """Return what a person types to serve a model."""
    return "trialmaker-predict" if IS_INSTALLED else "python predict.py"


def tool_command() -> str:
    """Return what a person types before the name of a command of ``trialmaker``."""
    return "trialmaker" if IS_INSTALLED else "python -m trialmaker"


def is_own_output(folder: Path) -> bool:
    """Return whether a folder is this project's own output, whose owner may add to it and put links there."""
    own = root() / "output"
    return own in (folder, folder.absolute()) or folder.resolve() == own.resolve()


def is_on_platform() -> bool:
    """Return whether this is a job of the platform, or its rehearsal: the code lies in the root.

    What is advised there must be possible in a form, which has names and values, and no shell.
    """
    return (root() / "src").resolve() == PROJECT


def is_deployed() -> bool:
    """Return whether this is a container of the platform: its root is there, or what it puts into the root."""
    return PLATFORM.is_dir() or is_on_platform() or (root() / "model").is_dir()


def run_name(run_directory: Path, output: Path) -> str:
    """Return a run's name: its directory relative to ``logs/``, or the last part of a directory elsewhere."""
    logs = output / "logs"
    return str(run_directory.relative_to(logs)) if run_directory.is_relative_to(logs) else run_directory.name


def claim_directory(path: Path) -> Path:
    """Create a directory that no other process has; return its path: the one given, or ``PATH_2``, ``PATH_3``, ….

    Two containers may have one output, one clock and one process id. Only the creation itself tells them apart.

    Raises:
        OSError: it cannot be created.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    claimed, number = path, 1
    while True:
        with suppress(FileExistsError):
            claimed.mkdir()
            return claimed
        number += 1
        claimed = path.with_name(f"{path.name}_{number}")


def inputs() -> dict[str, Path]:
    """Return the job's inputs, the folders (or files) ``input/<name>``, by name."""
    folder = root() / "input"
    return {path.name: path for path in sorted(folder.iterdir())} if folder.is_dir() else {}

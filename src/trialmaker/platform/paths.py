"""The platform's directories, or the same tree on a laptop."""

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]
CONF = PROJECT / "conf"
SWEEPS = PROJECT / "sweeps"


def root() -> Path:
    """Return the platform's root: ``AI_ROOT`` if it is set, else ``/opt/ai`` if it exists, else ``workspace/``."""
    if os.environ.get("AI_ROOT"):
        return Path(os.environ["AI_ROOT"]).absolute()
    platform = Path("/opt/ai")
    return platform if platform.is_dir() else PROJECT / "workspace"


def run_name(run_directory: Path, output: Path) -> str:
    """Return a run's name: its directory relative to ``logs/``, or the last part of a directory elsewhere."""
    logs = output / "logs"
    return str(run_directory.relative_to(logs)) if run_directory.is_relative_to(logs) else run_directory.name


def inputs() -> dict[str, Path]:
    """Return the job's inputs, the folders (or files) ``input/<name>``, by name."""
    folder = root() / "input"
    return {path.name: path for path in sorted(folder.iterdir())} if folder.is_dir() else {}

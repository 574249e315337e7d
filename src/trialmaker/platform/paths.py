"""The platform's directories, or the same tree on a laptop."""

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]
CONF = PROJECT / "conf"
SWEEPS = PROJECT / "sweeps"


def root() -> Path:
    """The platform's root: ``AI_ROOT`` where it is set, else ``/opt/ai`` where that exists, else ``workspace/``."""
    if os.environ.get("AI_ROOT"):
        return Path(os.environ["AI_ROOT"]).absolute()
    platform = Path("/opt/ai")
    return platform if platform.is_dir() else PROJECT / "workspace"


def run_name(run_directory: Path, output: Path) -> str:
    """A run's name: its directory below ``logs``, or just its directory's name where that lies elsewhere."""
    logs = output / "logs"
    return str(run_directory.relative_to(logs)) if run_directory.is_relative_to(logs) else run_directory.name


def inputs() -> dict[str, Path]:
    """What a job was given, ``input/<name>/``, by name."""
    folder = root() / "input"
    return {path.name: path for path in sorted(folder.iterdir())} if folder.is_dir() else {}

"""Where things lie: the platform's directories, or the same tree on a laptop."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from trialmaker.errors import UserError
from trialmaker.files import write_text

PROJECT = Path(__file__).resolve().parents[2]
CONF = PROJECT / "conf"
IP_WITH_PORT = re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b(?::\d+)?")


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


def check() -> None:
    """Refuse what a job asks for and this version can't do.

    Raises:
        UserError: several instances, or an earlier job to resume.
    """
    resource = root() / "config" / "resource.json"
    if (count := instances(resource)) > 1:
        raise UserError(f"{resource}: names {count} instances, but training runs on one: start the job with 1 instance")
    if earlier := inputs().get("resume"):
        way_on = "to start from its weights, call the input init_model"
        raise UserError(f"{earlier}: continuing an earlier job is not possible yet; {way_on}")


def instances(resource: Path) -> int:
    """How many instances a ``resource.json`` names. Its form is not documented.

    Each object with an address is one, and each IP address; in doubt the higher number counts.
    """
    try:
        text = resource.read_text(encoding="utf-8")
        objects = sum(1 for _ in _addresses(json.loads(text)))
    except (OSError, ValueError, RecursionError):
        return 1
    return max(1, objects, len(set(IP_WITH_PORT.findall(text))))


def _addresses(part: Any) -> Iterator[Any]:
    if isinstance(part, dict) and any(key.lower().endswith(("ip", "host", "address")) for key in part):
        yield part
    elif isinstance(part, dict | list):
        for inner in part.values() if isinstance(part, dict) else part:
            yield from _addresses(inner)


def begin(output: Path) -> None:
    """Take away what an earlier job in the same output said of its end."""
    for name in ("success", "failure"):
        (output / name).unlink(missing_ok=True)


def succeeded(output: Path) -> None:
    """Leave ``success``."""
    begin(output)
    write_text(output / "success", "")


def failed(output: Path, cause: str, details: str = "") -> None:
    """Leave ``failure``: the cause, then the details. An output that can't be written to has no such file.

    Args:
        cause: a line for each mistake.
        details: a traceback.
    """
    with suppress(OSError):
        output.mkdir(parents=True, exist_ok=True)
        begin(output)
        write_text(output / "failure", f"{cause}\n{details}")

"""``success`` and ``failure``: the files by which an output says how its job ended."""

from contextlib import suppress
from pathlib import Path

from trialmaker.platform.atomic_files import write_text


def clear_result(output: Path) -> None:
    """Take away what an earlier job in the same output said of its end."""
    for name in ("success", "failure"):
        (output / name).unlink(missing_ok=True)


def write_success(output: Path) -> None:
    """Leave ``success``."""
    clear_result(output)
    write_text(output / "success", "")


def write_failure(output: Path, cause: str, details: str = "") -> None:
    """Leave ``failure``: the cause, then the details. An output that can't be written to has no such file.

    Args:
        cause: a line for each mistake.
        details: a traceback.
    """
    with suppress(OSError):
        output.mkdir(parents=True, exist_ok=True)
        clear_result(output)
        write_text(output / "failure", f"{cause}\n{details}")

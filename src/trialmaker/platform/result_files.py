"""``success`` and ``failure``: the files by which an output directory tells how its job ended."""

from contextlib import suppress
from pathlib import Path

from trialmaker.platform.atomic_files import write_text


def clear_result(output: Path) -> None:
    """Remove the result files of an earlier job in the same output directory."""
    for name in ("success", "failure"):
        (output / name).unlink(missing_ok=True)


def write_success(output: Path) -> None:
    """Write an empty ``success``, and remove ``failure``."""
    clear_result(output)
    write_text(output / "success", "")


def write_failure(output: Path, cause: str, details: str = "") -> None:
    """Write ``failure`` and remove ``success``; do nothing where the output directory can't be written to.

    Args:
        output: the output directory; created if it does not exist.
        cause: one line for each mistake; the first lines of the file.
        details: a traceback, after the cause.
    """
    with suppress(OSError):
        output.mkdir(parents=True, exist_ok=True)
        clear_result(output)
        write_text(output / "failure", f"{cause}\n{details}")

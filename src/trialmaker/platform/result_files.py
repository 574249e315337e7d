"""``success`` and ``failure``: the files by which an output directory tells how its job ended."""

from contextlib import suppress
from pathlib import Path

from trialmaker.platform import training_report
from trialmaker.platform.atomic_files import write_bytes, write_text
from trialmaker.platform.failure_causes import bilingual_cause

RESERVE_FILE = ".reserve"  # of space, so that a job that fills the disk can still say so
RESERVE_BYTES = 65536


def clear_result(output: Path) -> None:
    """Remove the result files of an earlier job in the same output directory, and the reserve."""
    for name in ("success", "failure", RESERVE_FILE):
        (output / name).unlink(missing_ok=True)


def prepare_result(output: Path) -> None:
    """Remove the result files of an earlier job, and reserve space for the one to come; tell its starter the place.

    Raises:
        OSError: the output directory can't be written to, or has no space.
    """
    training_report.tell(output=output)
    clear_result(output)
    output.mkdir(parents=True, exist_ok=True)
    write_bytes(output / RESERVE_FILE, bytes(RESERVE_BYTES))


def release_reserve(output: Path) -> None:
    """Free the reserved space, for the files that say why a job failed."""
    with suppress(OSError):
        (output / RESERVE_FILE).unlink(missing_ok=True)


def write_success(output: Path, result: str) -> None:
    """Write ``success`` with a line for each run, and remove ``failure``."""
    clear_result(output)
    write_text(output / "success", f"{result}\n" if result else "")


def write_failure(output: Path, cause: str, details: str = "") -> None:
    """Write ``failure`` and remove ``success``; do nothing where the output directory can't be written to.

    Args:
        output: the output directory; created if it does not exist.
        cause: one line of English for each mistake. They are the first lines of the file, with their Chinese after
            `` / ``; left out where the disk is full.
        details: a traceback, after the cause.
    """
    causes = [bilingual_cause(line, is_bug=bool(details)) for line in cause.splitlines()]
    with suppress(OSError):
        output.mkdir(parents=True, exist_ok=True)
        clear_result(output)
        (output / "failure").touch()
        write_text(output / "failure", "\n".join([*causes, details]))

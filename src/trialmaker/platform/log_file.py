"""The log file of a run: without space it ends the run, and one that goes on has it in its earlier directory."""

import logging
import sys
from contextlib import suppress
from pathlib import Path

from trialmaker.platform.console import printable_record


class LogFile(logging.FileHandler):
    """A handler that raises the first error of writing its file, and then writes no more.

    A run that ends so can go on, without a gap in its log, when there is space.
    """

    has_failed = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; nothing after an error.

        Raises:
            OSError: the file can't be written to.
        """
        if not self.has_failed:
            super().emit(record)

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's text without control characters, since people look at the file in a terminal."""
        return printable_record(record, super().format)

    def handleError(self, record: logging.LogRecord) -> None:
        """Raise an error of the file; print others, as ``logging`` does."""
        error = sys.exc_info()[1]
        if isinstance(error, OSError):
            self.has_failed = True
            raise error
        super().handleError(record)


def move_log_file(fresh: Path, directory: Path, size: int) -> None:
    """Have what is logged from now on go to the log file of an earlier directory.

    Of the fresh directory, what Hydra has put there is removed, and the directory itself if nothing else is in it: it
    may be a person's own, or the earlier one.

    Args:
        fresh: the directory that Hydra has given this process.
        directory: the earlier one.
        size: bytes of its log file that are kept; what follows is cut off, since it will be logged again.
    """
    root = logging.getLogger()
    for handler in [one for one in root.handlers if isinstance(one, logging.FileHandler)]:
        earlier = directory / Path(handler.baseFilename).name
        with earlier.open("ab") as file:
            file.truncate(min(size, file.tell()))
        moved = LogFile(earlier, encoding=handler.encoding)
        moved.setFormatter(handler.formatter)
        moved.setLevel(handler.level)
        root.addHandler(moved)
        root.removeHandler(handler)
        handler.close()
        if not fresh.samefile(directory) and not Path(handler.baseFilename).stat().st_size:
            Path(handler.baseFilename).unlink()
    if not fresh.samefile(directory):
        _remove_hydras(fresh)


def _remove_hydras(directory: Path) -> None:
    """Remove Hydra's own files from a directory, and folders that are empty then."""
    with suppress(OSError):
        for name in ("config", "hydra", "overrides"):
            (directory / ".hydra" / f"{name}.yaml").unlink(missing_ok=True)
        (directory / ".hydra").rmdir()
        directory.rmdir()


def log_file_size() -> int:
    """Return the size of the log file, bytes, with all that was logged; 0 where there is none."""
    path = log_file()
    return path.stat().st_size if path else 0


def log_file() -> Path | None:
    """Return the log file, with all that was logged; None where there is none."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.FileHandler):
            handler.flush()
            return Path(handler.baseFilename)
    return None

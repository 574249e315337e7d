"""Atomic replacement of files, and locks between processes."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FILE_MODE = 0o644  # tempfile makes files that only their owner may read


def write_text(path: Path, text: str) -> None:
    """Replace a file atomically with UTF-8 text; see ``write_bytes``."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a file atomically: after a crash, and to a concurrent reader, it has the old content or the new one.

    The content is written to a temporary file beside it, flushed to the disk, then renamed. Everyone may read it.

    Raises:
        OSError: the folder does not exist, or the file can't be written; the old content stays.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(handle)
        Path(name).chmod(FILE_MODE)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock between processes (``flock``) on a file, which is created if it does not exist.

    The kernel releases the lock of a process that dies.
    """
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

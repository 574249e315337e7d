"""Atomic replacement of files, and locks between processes."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

FILE_MODE = 0o644
OPEN_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # follow no link, wait for no pipe


def write_text(path: Path, text: str) -> None:
    """Replace a file atomically with UTF-8 text; see ``write_bytes``."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes, *, mode: int | None = FILE_MODE) -> None:
    """Replace a file atomically: after a crash, and to a concurrent reader, it has the old content or the new one.

    The content is written to a temporary file beside it, flushed to the disk, then renamed. Of processes that write the
    same file, one does so at a time; a temporary file that a killed one left is used again.

    Args:
        mode: of the file; None for what the process' umask leaves of 0o666.

    Raises:
        OSError: the folder does not exist, or the file can't be written; the old content stays.
    """
    temporary = path.with_name(f".{path.name}.part")
    with _own_file(temporary) as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


@contextmanager
def _own_file(path: Path) -> Iterator[BinaryIO]:
    """Open an empty file that no other process writes: made, or left by one that was killed. A link is removed."""
    while True:
        try:
            descriptor = os.open(path, OPEN_FLAGS, 0o666)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            path.unlink(missing_ok=True)
            continue
        with os.fdopen(descriptor, "wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if _is_at(file, path):
                file.truncate()
                yield file
                return


def _is_at(file: BinaryIO, path: Path) -> bool:
    """Return whether an open file still lies at a path, where another process may have renamed or removed it."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.lstat())
    except FileNotFoundError:
        return False


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock between processes (``flock``) on a file, which is created if it does not exist.

    The kernel releases the lock of a process that dies.
    """
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

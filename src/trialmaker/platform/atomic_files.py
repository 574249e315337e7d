"""Atomic replacement of files, and locks between processes."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FILE_MODE = 0o644


def write_text(path: Path, text: str) -> None:
    """Replace a file atomically with UTF-8 text; see ``write_bytes``."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes, *, mode: int | None = FILE_MODE) -> None:
    """Replace a file atomically: after a crash, and to a concurrent reader, it has the old content or the new one.

    The content is written to a temporary file beside it, flushed to the disk, then renamed.

    Args:
        mode: of the file; None for what the process' umask leaves of 0o666.

    Raises:
        OSError: the folder does not exist, or the file can't be written; the old content stays.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")  # tempfile's are their owner's alone
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            temporary.chmod(mode)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock between processes (``flock``) on a file, which is created if it does not exist.

    The kernel releases the lock of a process that dies.
    """
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

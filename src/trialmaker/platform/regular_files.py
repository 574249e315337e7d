"""The reading of files that somebody else has put there, which may be no files at all."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

MAX_TEXT_BYTES = 8 * 1024**2  # of a record or a config: as JSON they become thirty times as large in memory


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading, without waiting for one that is a pipe or a device.

    Raises:
        OSError: it does not exist, cannot be read, or is no regular file (``EINVAL``; ``IsADirectoryError``).
    """
    # without O_NONBLOCK, to open a pipe waits until somebody writes to it; with a regular file it changes nothing
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))  # noqa: SIM115
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "is no regular file", str(path))
    return file


def read_text(path: Path) -> str:
    """Return the UTF-8 text of a regular file of at most ``MAX_TEXT_BYTES``.

    Raises:
        OSError: as ``open_regular`` does, or it is larger (``EOVERFLOW``).
        UnicodeDecodeError: it holds something else.
    """
    return read_small(path).decode("utf-8")


def read_small(path: Path) -> bytes:
    """Return the content of a regular file of at most ``MAX_TEXT_BYTES``.

    Raises:
        OSError: as ``open_regular`` does, or it is larger (``EOVERFLOW``).
    """
    with open_regular(path) as file:
        content = file.read(MAX_TEXT_BYTES + 1)
    if len(content) > MAX_TEXT_BYTES:
        raise OSError(errno.EOVERFLOW, f"is larger than {MAX_TEXT_BYTES // 1024**2} MiB", str(path))
    return content

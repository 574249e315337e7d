"""The reading of files that somebody else has put there, which may be no files at all."""

import errno
import os
import stat
from pathlib import Path


def read_text(path: Path) -> str:
    """Return the UTF-8 text of a file, without waiting for one that is a pipe or a device.

    Raises:
        OSError: it does not exist, cannot be read, or is no regular file.
        UnicodeDecodeError: it holds something else.
    """
    # without O_NONBLOCK, to open a pipe waits until somebody writes to it
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), encoding="utf-8") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "is no regular file", str(path))
        return file.read()

"""The file of a journal: the lock of who appends to it, and where its last whole line ends."""

import fcntl
import os
import time
from typing import BinaryIO

TAIL_BYTES = 1 << 16
MAX_LINE_BYTES = 1 << 24  # a longer line is no record; those of a run have some thousand
LOCK_ATTEMPTS, LOCK_PAUSE_SECONDS = 10, 0.02  # whoever looks whether it is held has it for an instant


def end_of_last_line(file: BinaryIO) -> int:
    """Return the offset behind the last line end; 0 where there is none."""
    end = file.seek(0, os.SEEK_END)
    while end:
        begin = max(0, end - TAIL_BYTES)
        file.seek(begin)
        if (at := file.read(end - begin).rfind(b"\n")) >= 0:
            return begin + at + 1
        end = begin
    return 0


def try_lock(file: BinaryIO) -> bool:
    """Lock a file for this process alone, without waiting for another one; return whether that was possible."""
    for _ in range(LOCK_ATTEMPTS):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOCK_PAUSE_SECONDS)
        else:
            return True
    return False

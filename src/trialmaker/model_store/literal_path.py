"""Paths that TensorFlow takes as they are."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATTERN_CHARACTERS = frozenset("*?[]\\")


@contextmanager
def literal_path(folder: Path) -> Iterator[str]:
    r"""Yield a path of an existing folder, valid within the context, for TensorFlow to write to and to read from.

    TensorFlow (2.21) looks for the files of a checkpoint by a pattern: below a folder whose name holds ``[``, ``]`` or
    ``\`` it misses them, with ``*`` or ``?`` it may take those of another folder. Such a folder gets the path of an
    open file descriptor instead.
    """
    if not PATTERN_CHARACTERS & set(str(folder)):
        yield str(folder)
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)

"""What exceptions of the operating system and of libraries are about: space, memory."""

import errno
import re
from collections.abc import Collection, Iterator

SPACE_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
SPACE_TEXT = re.compile(r"[Nn]o space left|Disk quota exceeded|File too large|disk is full")
# TensorFlow's and XLA's; C++'s, which reaches Python as a MemoryError, may come in another error's text.
MEMORY_TEXT = re.compile(r"RESOURCE_EXHAUSTED|OOM when allocating|[Oo]ut of memory|Cannot allocate memory|bad_alloc")


def is_lack_of_space(error: BaseException) -> bool:
    """Return whether an exception, or one that it was raised for, says that a disk is full."""
    return _is_about(error, SPACE_ERRORS, SPACE_TEXT)


def is_lack_of_memory(error: BaseException) -> bool:
    """Return whether an exception, or one that it was raised for, says that there is no memory left."""
    is_python = any(isinstance(one, MemoryError) for one in _chain(error))
    return is_python or _is_about(error, {errno.ENOMEM}, MEMORY_TEXT)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception, and those that it was raised for."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _is_about(error: BaseException, numbers: Collection[int], text: re.Pattern[str]) -> bool:
    return any(
        one.errno in numbers if isinstance(one, OSError) else text.search(str(one)) is not None for one in _chain(error)
    )

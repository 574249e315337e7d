"""The end of a process that has TensorFlow, whose modules Python would take up to a second to take down."""

import atexit
import os
import sys
from typing import NoReturn

_codes: list[int] = []  # the exit code, once it is known


def begin() -> None:
    """Have ``exit_with`` end the process at once, after all else that is to be called then.

    Python calls what is registered first last: so this comes before the imports of what registers its own.
    """
    atexit.register(_end_at_once)


def exit_with(code: int) -> NoReturn:
    """Raise ``SystemExit``; threads, functions registered with ``atexit`` and the standard streams end as ever."""
    _codes.append(code)
    sys.exit(code)


def _end_at_once() -> None:
    """Flush the standard streams and end the process, unless it ends otherwise than by ``exit_with``."""
    if _codes and "tensorflow" in sys.modules:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_codes[-1])

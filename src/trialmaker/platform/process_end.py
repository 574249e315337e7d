"""The end of a process that has TensorFlow, whose modules Python would take up to a second to take down."""

import atexit
import os
import sys
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

BOOT_COMMANDS = "trialmaker.cli.entries"  # of an installed package, which run the boot files

_code: int | None = None  # the exit code, once it is known


def begin() -> None:
    """Have ``exit_with`` end the process at once, after all else that is to be called then.

    Python calls what is registered first last: so this comes before the imports of what registers its own. Where
    something is registered already, as by a coverage tool that Python starts with, the process ends as ever.
    """
    if not atexit._ncallbacks():
        atexit.register(_end_at_once)


def exit_with(code: int) -> NoReturn:
    """Raise ``SystemExit``; threads, functions registered with ``atexit`` and the standard streams end as ever.

    To be called at the top of a boot file. Under a program that may catch it, such as a profiler, all ends as ever.
    """
    global _code
    callers = list(_modules(sys._getframe(1).f_back))
    if not callers or callers[-2:] == [BOOT_COMMANDS, "__main__"]:
        _code = code
    sys.exit(code)


def _modules(frame: FrameType | None) -> Iterator[str]:
    """Yield the names of the modules of a frame and of those that called it, the outermost last."""
    while frame:
        yield str(frame.f_globals.get("__name__"))
        frame = frame.f_back


def _end_at_once() -> None:
    """Flush the standard streams and end the process, unless it ends otherwise than by ``exit_with``."""
    if _code is not None and "tensorflow" in sys.modules:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_code)

"""Imports of a million objects without Python's search for garbage among them."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused_garbage_collection(module: str) -> Iterator[None]:
    """Have Python look for garbage neither while a module is imported inside nor, later, among what that leaves.

    It would take a fifth of the time of MLflow's import, and a tenth of a second at each full collection after it.

    Args:
        module: its name; where it is imported already, nothing changes, so that no garbage of later is kept.
    """
    if module in sys.modules:
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()

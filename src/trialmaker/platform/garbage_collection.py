"""When Python looks for garbage: not among a million objects that are imported, nor while graphs are built."""

import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Postponement:
    """Automatic garbage collection, off as long as anybody, in any thread, needs it to be."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._was_on = True

    def begin(self) -> None:
        with self._lock:
            if self._count == 0:
                self._was_on = gc.isenabled()
                gc.disable()
            self._count += 1

    def end(self) -> None:
        with self._lock:
            self._count -= 1
            if self._count == 0 and self._was_on:
                gc.enable()


_postponement = _Postponement()


@contextmanager
def postponed_garbage_collection() -> Iterator[None]:
    """Have no thread look for garbage meanwhile; also a decorator.

    Needed wherever TensorFlow works on a graph, which it does when it traces, saves or loads. In 2.21, the search for
    garbage waits for the lock of each graph while it holds Python's own; a thread that works on the graph holds the
    graph's lock and waits for Python's. If another thread than that one looks for garbage then, both wait for ever.
    """
    _postponement.begin()
    try:
        yield
    finally:
        _postponement.end()


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
    with postponed_garbage_collection():
        try:
            yield
        finally:
            gc.freeze()


def collect_and_freeze() -> None:
    """Collect garbage, also of what was exempt; exempt what is left from later collections, which take less time so."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()

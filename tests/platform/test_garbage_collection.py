"""Garbage collection is off as long as anybody needs it to be, in whatever thread, and as it was afterwards."""

import gc
import threading

import pytest

from support.waiting import HANG_SECONDS
from trialmaker.platform.garbage_collection import paused_garbage_collection, postponed_garbage_collection


def test_it_is_off_until_the_last_thread_needs_it_no_more() -> None:
    is_inside, may_leave = threading.Event(), threading.Event()

    @postponed_garbage_collection()
    def work() -> None:
        is_inside.set()
        may_leave.wait(HANG_SECONDS)

    thread = threading.Thread(target=work)
    with postponed_garbage_collection():
        thread.start()
        assert is_inside.wait(HANG_SECONDS) and not gc.isenabled()
    assert not gc.isenabled()
    with pytest.raises(KeyError), postponed_garbage_collection(), paused_garbage_collection("not_imported"):
        raise KeyError
    assert not gc.isenabled()
    may_leave.set()
    thread.join()
    assert gc.isenabled()


def test_it_stays_off_where_it_was() -> None:
    gc.disable()
    try:
        with postponed_garbage_collection():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()

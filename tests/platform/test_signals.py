"""The end of a process at once: by a second signal, or by the watchdog of the first."""

import os
import signal

import pytest

from support.waiting import wait_until
from trialmaker.platform import signals
from trialmaker.platform.signals import Signals


class EndedError(Exception):
    """In place of the process' end; its argument is the exit code."""


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> None:
    def end(code: int) -> None:
        raise EndedError(code)

    monkeypatch.setattr(os, "_exit", end)


@pytest.mark.usefixtures("ends")
def test_a_second_signal_ends_at_once_and_says_why_before() -> None:
    causes: list[str] = []
    with Signals() as received:
        assert not received.has_ended
        received.defer()
        received.fail_now = causes.append
        signal.raise_signal(signal.SIGTERM)  # to this thread; another one might get it, and later
        assert received.received == signal.SIGTERM and not causes
        with pytest.raises(EndedError, match=r"^143$"):
            signal.raise_signal(signal.SIGINT)
    assert received.has_ended and causes == ["stopped by SIGTERM before the first step"]


def test_what_hangs_after_a_signal_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    monkeypatch.setattr(signals, "SHUTDOWN_SECONDS", 0.05)
    with Signals() as received:
        received.defer()
        signal.raise_signal(signal.SIGTERM)
        wait_until(lambda: codes)
    assert codes == [143]

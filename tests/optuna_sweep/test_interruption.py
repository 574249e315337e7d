"""Signals that wait while the records of a trial are written, and what their handlers raise."""

import signal
import threading
from collections.abc import Iterator

import pytest

from optuna_sweep.interruption import Deferral, terminable


class Ended(BaseException):
    """What the handler of these tests raises."""


def end(*_: object) -> None:
    raise Ended


@pytest.fixture(params=[signal.SIGTERM, signal.SIGUSR1])
def number(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    """A signal whose handler is ``end``."""
    before = signal.signal(request.param, end)
    yield request.param
    signal.signal(request.param, before)


def test_a_handler_is_called_at_the_end(number: signal.Signals) -> None:
    events = []
    with pytest.raises(Ended), Deferral():
        signal.raise_signal(number)
        events.append("went on")
    assert events == ["went on"] and signal.getsignal(number) is end


def test_a_task_is_interrupted_at_once(number: signal.Signals) -> None:
    events = []
    deferral = Deferral()
    with deferral:
        with pytest.raises(Ended), deferral.lifted():
            events.append("began")
            signal.raise_signal(number)
            events.append("went on")
        assert signal.getsignal(number) is not end, "its records are written next"
    assert events == ["began"] and signal.getsignal(number) is end


def test_a_task_does_not_begin_after_a_signal(number: signal.Signals) -> None:
    events = []
    deferral = Deferral()
    with pytest.raises(Ended), deferral:
        signal.raise_signal(number)
        with deferral.lifted():
            events.append("began")
    assert not events and signal.getsignal(number) is end


def test_a_second_signal_does_not_wait(number: signal.Signals) -> None:
    events = []
    with pytest.raises(Ended), Deferral():
        signal.raise_signal(number)
        events.append("went on")
        signal.raise_signal(number)
        events.append("went on again")
    assert events == ["went on"] and signal.getsignal(number) is end


def test_without_the_context_nothing_waits(number: signal.Signals) -> None:
    """As of a study that several machines share."""
    with pytest.raises(Ended), Deferral().lifted():
        signal.raise_signal(number)
    assert signal.getsignal(number) is end


def test_another_thread_leaves_the_handlers_alone(number: signal.Signals) -> None:
    seen = []

    def work() -> None:
        deferral = Deferral()
        with deferral, deferral.lifted():
            seen.append(signal.getsignal(number))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [end]


def test_sigterm_ends_a_sweep_as_ctrl_c_does() -> None:
    with pytest.raises(SystemExit) as ended, terminable():
        signal.raise_signal(signal.SIGTERM)
    assert ended.value.code == 143 and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL

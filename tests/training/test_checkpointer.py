"""When checkpoints are written, on which thread, and what a full disk does."""

import logging
import resource
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from support.waiting import HANG_SECONDS
from trialmaker.training.checkpoint_files import read_checkpoint
from trialmaker.training.checkpointer import Checkpointer
from trialmaker.training.events import Event, StepsDone, Stopping
from trialmaker.training.snapshot import Snapshot


def steps(step: int) -> Event:
    return StepsDone(1, step, [0.5], [0.5], 0.1)


class Training:
    """What a checkpointer captures: a step, and an array that goes on changing."""

    def __init__(self, size: int = 4) -> None:
        self.step, self.weights = 0, np.zeros(size)
        self.captured: list[int] = []
        self.threads: set[threading.Thread] = set()

    def capture(self) -> Snapshot:
        self.captured.append(self.step)
        self.threads.add(threading.current_thread())
        return Snapshot({"step": self.step}, {"weights": self.weights.copy()})

    def go_on(self, checkpoints: Checkpointer, event: Event | None = None) -> None:
        self.step += 1
        self.weights += 1
        checkpoints(event or steps(self.step))


def let_time_pass(checkpoints: Checkpointer) -> None:
    """Have the training, and its last capture, begun an hour before."""
    checkpoints.began -= 3600
    checkpoints.last -= 3600


def step(directory: Path) -> int | None:
    snapshot = read_checkpoint(directory)
    return snapshot and int(snapshot.values["step"])


def test_one_is_written_when_it_is_due_and_the_context_waits_for_it(tmp_path: Path) -> None:
    training = Training(10**6)
    with Checkpointer(tmp_path / "run", training.capture, every_seconds=1000) as checkpoints:
        training.go_on(checkpoints)
        assert training.captured == []
        let_time_pass(checkpoints)
        training.go_on(checkpoints)
        training.go_on(checkpoints)
        assert training.captured == [2]
    snapshot = read_checkpoint(tmp_path / "run")
    assert snapshot and snapshot.values["step"] == 2
    assert (snapshot.arrays["weights"] == 2).all()
    assert training.threads == {threading.current_thread()}
    assert 0 < checkpoints.capture_seconds < HANG_SECONDS


def test_while_one_is_being_written_none_is_begun_unless_the_training_is_stopped(tmp_path: Path) -> None:
    training, is_over = Training(), threading.Event()
    with Checkpointer(tmp_path, training.capture, every_seconds=0) as checkpoints:
        checkpoints.writer.submit(is_over.wait)  # so that the first one is not written before
        for _ in range(3):
            training.go_on(checkpoints)
        assert training.captured == [1]
        training.go_on(checkpoints, Stopping("signal", 1, 4))
        assert training.captured == [1, 4]
        is_over.set()
    assert step(tmp_path) == 4


@pytest.mark.parametrize("reason", ["signal", "max_seconds"])
def test_a_stop_is_captured_at_once(reason: str, tmp_path: Path) -> None:
    training = Training()
    with Checkpointer(tmp_path, training.capture, every_seconds=1000) as checkpoints:
        training.go_on(checkpoints)
        training.go_on(checkpoints, Stopping(reason, 1, 2))
    assert step(tmp_path) == 2


@pytest.mark.parametrize("reason", ["epochs", "patience", "pruned"])
def test_a_training_that_comes_to_its_end_before_one_is_due_pays_nothing(reason: str, tmp_path: Path) -> None:
    training, threads = Training(), threading.active_count()
    with Checkpointer(tmp_path / "run", training.capture, every_seconds=1000) as checkpoints:
        training.go_on(checkpoints)
        training.go_on(checkpoints, Stopping(reason, 1, 2))
        assert threading.active_count() == threads
    assert training.captured == [] and not list(tmp_path.iterdir())


def test_a_long_training_has_one_at_its_end(tmp_path: Path) -> None:
    training = Training()
    with Checkpointer(tmp_path, training.capture, every_seconds=1000) as checkpoints:
        let_time_pass(checkpoints)
        training.go_on(checkpoints, Stopping("epochs", 1, 1))
    assert step(tmp_path) == 1


def test_one_can_be_asked_for(tmp_path: Path) -> None:
    training = Training()
    with Checkpointer(tmp_path, training.capture, every_seconds=1000) as checkpoints:
        training.go_on(checkpoints)
        checkpoints.write_now()
    assert step(tmp_path) == 1


def test_a_full_disk_costs_a_line_and_no_training(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    root = logging.getLogger()  # with the log file of an earlier test's run, which is larger than the limit below
    monkeypatch.setattr(root, "handlers", [one for one in root.handlers if not isinstance(one, logging.FileHandler)])
    training, limits = Training(10**5), resource.getrlimit(resource.RLIMIT_FSIZE)
    with Checkpointer(tmp_path, training.capture, every_seconds=0) as checkpoints:
        training.go_on(checkpoints)
        wait_for(checkpoints)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        try:
            for _ in range(3):
                training.go_on(checkpoints)
                wait_for(checkpoints)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert step(tmp_path) == 1
        training.go_on(checkpoints)
    assert step(tmp_path) == 5 and training.captured == [1, 2, 3, 4, 5]
    warning, news = caplog.messages
    assert warning == (
        f"{tmp_path}: no checkpoint could be written (File too large); the training goes on and tries again every 0 s,"
        " and until then an interrupted run goes on from the one before: free some space there, or make it writable"
    )
    assert news == f"checkpoints can be written again to {tmp_path}"


def wait_for(checkpoints: Checkpointer) -> None:
    assert checkpoints.writing
    checkpoints.writing.result(timeout=HANG_SECONDS)


def test_a_mistake_of_ours_is_no_full_disk(tmp_path: Path) -> None:
    def capture() -> Snapshot:
        return Snapshot({}, {"w": np.array([None])})

    with (
        pytest.raises(ValueError, match="w: an array of object can't be kept in a checkpoint"),
        Checkpointer(tmp_path, capture, every_seconds=0) as checkpoints,
    ):
        checkpoints(steps(1))


def test_the_latest_state_can_be_written_after_the_training_broke_off(tmp_path: Path) -> None:
    training = Training()
    with (
        pytest.raises(ZeroDivisionError),
        Checkpointer(tmp_path, training.capture, every_seconds=1e9, keeps_latest=True) as checkpoints,
    ):
        let_time_pass(checkpoints)  # of which a capture takes less than a hundredth
        training.go_on(checkpoints)
        training.go_on(checkpoints)
        training.step = 99  # in the middle of a call
        raise ZeroDivisionError
    assert step(tmp_path) is None
    checkpoints.write_latest()
    assert step(tmp_path) == 2


def test_the_latest_state_is_written_once(tmp_path: Path) -> None:
    training = Training()
    with Checkpointer(tmp_path, training.capture, every_seconds=1e9, keeps_latest=True) as checkpoints:
        let_time_pass(checkpoints)
        training.go_on(checkpoints)
        training.step += 1
        checkpoints.write_now()
        checkpoints.write_latest()
        assert step(tmp_path) == 2
    assert training.captured == [1, 2]


def test_captures_that_nobody_may_need_take_a_hundredth_of_the_time(tmp_path: Path) -> None:
    training = Training()

    def capture() -> Snapshot:
        time.sleep(0.02)
        return training.capture()

    with Checkpointer(tmp_path, capture, every_seconds=1e9, keeps_latest=True) as checkpoints:
        for _ in range(100):
            training.go_on(checkpoints)
    assert training.captured == [1]


def test_without_a_capture_there_is_nothing_to_write(tmp_path: Path) -> None:
    with Checkpointer(tmp_path, Training().capture, every_seconds=1000) as checkpoints:
        checkpoints(steps(1))
        checkpoints.write_latest()
    assert step(tmp_path) is None

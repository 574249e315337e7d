"""The training process' end of tracking. Light: it imports no MLflow."""

import atexit
import json
import os
import pickle
import queue
import subprocess
import sys
import threading
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from trialmaker.errors import UserError
from trialmaker.platform.redaction import without_password
from trialmaker.tracking.messages import End, Message, Metrics, Start, StudyDone
from trialmaker.training.events import EpochDone, Event, StepsMean

KILLED_SECONDS = 10.0  # a run that was stopped by a signal waits no longer for MLflow
SOURCE = Path(__file__).resolve().parents[2]


class Tracker:
    """One MLflow run, written by another process. A listener of the training loop, and a context manager.

    Leaving the context ends the run: FINISHED, or FAILED or KILLED by the exception that passes through. A training
    process that dies without a word leaves a closed pipe, and the run KILLED. A study's trial does not wait for MLflow
    to write its end: the next one does, so that MLflow is never more than a trial behind.
    """

    def __init__(self, first: Start | StudyDone) -> None:
        start = first if isinstance(first, Start) else first.start
        self.where = without_password(start.store)
        self.log = start.run_directory / "tracking.log"
        self.is_pruned = False
        self.is_trial = start.trial is not None
        self.lost: Exception | None = None
        self.worker = _worker(start)
        self.send(first)

    def send(self, message: Message) -> None:
        """Queue a message; never waits for MLflow."""
        self.worker.outbox.put(message)

    def __call__(self, event: Event) -> None:
        if isinstance(event, EpochDone):
            self.send(Metrics(event.epoch, event.metrics))
        elif isinstance(event, StepsMean):
            self.send(Metrics(event.step, {"step_loss": event.loss, "step_accuracy": event.accuracy}))

    @cached_property
    def run_id(self) -> str:
        """MLflow's id of the run; waits until the store is there.

        Raises:
            UserError: the store cannot be used.
        """
        return str(self.reply()["run_id"])

    def __enter__(self) -> "Tracker":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: Any) -> None:
        self.send(_end(error, self.is_pruned))
        if self.is_trial and error is None:
            self._catch_up()
            self.worker.unread = 1 if "run_id" in self.__dict__ else 2
            return
        patience = threading.Timer(KILLED_SECONDS, self.worker.process.kill)
        if error is not None and not isinstance(error, Exception):
            patience.start()
        try:
            _ = self.run_id
            self.reply()
        except UserError as lost:
            if error is None:
                raise lost from None
        finally:
            patience.cancel()

    def reply(self) -> dict[str, Any]:
        """The next word of the tracking process; raises if it is one of failure, and then always."""
        self._catch_up()
        return self._read()

    def _catch_up(self) -> None:
        while self.worker.unread:
            self.worker.unread -= 1
            self._read()

    def _read(self) -> dict[str, Any]:
        if self.lost:
            raise self.lost
        line = self.worker.read()
        reply: dict[str, Any] = (
            json.loads(line) if line.strip() else {"error": f"it ended without a word; see {self.log}"}
        )
        if "bug" in reply:
            self.lost = RuntimeError(without_password(f"the tracking process failed: {reply['bug']}"))
        if "error" in reply:
            self.lost = UserError(f"MLflow tracking at {self.where} failed: {without_password(reply['error'])}")
        if self.lost:
            self.worker.close()  # it ends too; the next run has another
            raise self.lost
        return reply


class _Worker:
    """The tracking process: importing MLflow takes it seconds, so it serves all runs of this process, in turn."""

    def __init__(self, log: Path) -> None:
        path = os.pathsep.join(filter(None, [str(SOURCE), os.environ.get("PYTHONPATH")]))
        with log.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "trialmaker.tracking.process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=os.environ | {"PYTHONPATH": path},
            )
        self.outbox: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self.sender = threading.Thread(target=self._send_all, daemon=True)
        self.sender.start()
        self.is_open = True
        self.unread = 0  # replies that trials have left to the next one
        self.stores: set[str] = set()
        atexit.register(self.close)

    def read(self) -> bytes:
        return self.process.stdout.readline() if self.process.stdout else b""

    def close(self) -> None:
        """No more messages; wait until it has ended."""
        if self.is_open:
            self.is_open = False
            atexit.unregister(self.close)
            self.outbox.put(None)
            self.sender.join()
            self.process.wait()
            if self.process.stdout:
                self.process.stdout.close()

    def _send_all(self) -> None:
        pipe = self.process.stdin
        if pipe is None:
            return
        try:
            while (message := self.outbox.get()) is not None:
                pickle.dump(message, pipe)
                pipe.flush()
        except BrokenPipeError:
            pass  # the worker ended; its last reply, or its log, says why
        with suppress(BrokenPipeError):
            pipe.close()


_workers: list[_Worker] = []  # none, or the one of this process


def _worker(start: Start) -> _Worker:
    """The tracking process, unless it has ended, or holds a store open that was taken away."""
    for worker in _workers:
        if start.store in worker.stores and not start.uri and not (start.output / "mlflow.db").exists():
            worker.close()
    alive = [worker for worker in _workers if worker.is_open and worker.process.poll() is None]
    _workers[:] = alive or [_Worker(start.run_directory / "tracking.log")]
    _workers[0].stores.add(start.store)
    return _workers[0]


def record_study(done: StudyDone) -> str:
    """Tell what a study found.

    Returns:
        the id of its MLflow run.
    """
    tracker = Tracker(done)
    run_id = tracker.run_id
    tracker.reply()
    return run_id


def _end(error: BaseException | None, is_pruned: bool) -> End:
    if error is None:
        return End("KILLED" if is_pruned else "FINISHED", is_pruned=is_pruned)
    killed = not isinstance(error, Exception)  # a signal
    return End("KILLED" if killed else "FAILED", f"{type(error).__name__}: {error}")

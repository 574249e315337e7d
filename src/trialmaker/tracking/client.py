"""The training process' end of tracking. Light: it imports no MLflow."""

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

from trialmaker.description import without_password
from trialmaker.errors import UserError
from trialmaker.events import EpochDone, Event, StepsMean
from trialmaker.tracking.messages import End, Message, Metrics, Start

KILLED_SECONDS = 10.0  # a run that was stopped by a signal waits no longer for MLflow
SOURCE = Path(__file__).resolve().parents[2]


class Tracker:
    """One MLflow run, written by another process. A listener of the training loop, and a context manager.

    Leaving the context ends the run: FINISHED, or FAILED or KILLED by the exception that passes through. A training
    process that dies without a word leaves a closed pipe, and the run KILLED.
    """

    def __init__(self, start: Start) -> None:
        self.log = start.run_directory / "tracking.log"
        self.where = without_password(start.store)
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(filter(None, [str(SOURCE), os.environ.get("PYTHONPATH")]))
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "trialmaker.tracking.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                start_new_session=True,  # Ctrl-C is for the training process; it then tells this one
            )
        self.outbox: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self.sender = threading.Thread(target=self._send_all, daemon=True)
        self.sender.start()
        self.send(start)

    def send(self, message: Message) -> None:
        """Queue a message; never waits for MLflow."""
        self.outbox.put(message)

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
        return str(self._reply()["run_id"])

    def __enter__(self) -> "Tracker":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: Any) -> None:
        self.send(_end(error))
        self.outbox.put(None)
        failed = error is not None
        patience = threading.Timer(KILLED_SECONDS, self.process.kill)
        if failed and not isinstance(error, Exception):
            patience.start()
        self.sender.join()
        try:
            _ = self.run_id
            self._reply()
        except UserError as lost:
            if not failed:
                raise lost from None
        finally:
            self.process.wait()
            patience.cancel()
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

    def _reply(self) -> dict[str, Any]:
        line = self.process.stdout.readline() if self.process.stdout else b""
        reply: dict[str, Any] = (
            json.loads(line) if line.strip() else {"error": f"it ended without a word; see {self.log}"}
        )
        if "bug" in reply:
            raise RuntimeError(without_password(f"the tracking process failed: {reply['bug']}"))
        if "error" in reply:
            raise UserError(f"MLflow tracking at {self.where} failed: {without_password(reply['error'])}")
        return reply


def _end(error: BaseException | None) -> End:
    if error is None:
        return End("FINISHED")
    killed = not isinstance(error, Exception)  # a signal
    return End("KILLED" if killed else "FAILED", f"{type(error).__name__}: {error}")

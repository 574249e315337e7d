"""The training process' end of tracking. Light: it imports no MLflow."""

import logging
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from trialmaker.errors import UserError
from trialmaker.platform.redaction import without_password
from trialmaker.tracking.connection import connect
from trialmaker.tracking.messages import End, Message, Metrics, Start, StudyDone
from trialmaker.tracking.settings import STORE_FILE
from trialmaker.training.events import EpochDone, Event, StepsMean

log = logging.getLogger(__name__)
START_SECONDS = 5.0  # a training waits no longer for its store's answer, most of which TensorFlow's import hides
KILLED_SECONDS = 10.0  # a run that was stopped by a signal waits no longer for MLflow


class Tracker:
    """One MLflow run, written by the tracking process. A listener of the training loop, and a context manager.

    Leaving the context ends the run: as ``finish`` says, or FAILED or KILLED by the exception that passes through. A
    training process that is killed leaves a closed pipe, and its run becomes KILLED. A study's trial does not wait for
    MLflow to write its end: the next trial does, so that MLflow is never more than one trial behind.

    Attributes:
        store: the tracking URI, without its password.
    """

    def __init__(self, first: Start | StudyDone) -> None:
        start = first if isinstance(first, Start) else first.start
        self.store = without_password(start.store)
        self.is_trial = start.trial is not None
        self.objective = start.params.get("objective", "")
        self.connection = connect(start)
        self.replies = self.connection.replies.begin_run(self.store, start.run_directory / "tracking.log")
        self.end = End("FINISHED")
        is_new = start.uri is None and not (start.output / STORE_FILE).exists()
        self.patience = 0.0 if is_new else START_SECONDS  # to make a store takes seconds, and is seldom refused
        self.send(first)
        self.acceptance: Future[None] | None = None
        if (use := (start.store, start.experiment)) not in self.connection.accepted:
            self.acceptance = Future()
            threading.Thread(target=self._accept, args=(self.acceptance, use), daemon=True).start()

    def send(self, message: Message) -> None:
        """Queue a message, without waiting for MLflow."""
        self.connection.send(message)

    def __call__(self, event: Event) -> None:
        """Send the metrics of an epoch or of some steps; other events have none to record.

        An epoch that is the best so far has the run's best value too, by which MLflow's list sorts runs that go on. A
        trial, of which there may be thousands, has it at its end alone.
        """
        if isinstance(event, EpochDone):
            is_best = event.best_weights is not None and not self.is_trial and self.objective
            self.send(Metrics(event.epoch, event.metrics | (self._best(event) if is_best else {})))
        elif isinstance(event, StepsMean):
            self.send(Metrics(event.step, {"step_loss": event.loss, "step_accuracy": event.accuracy}))

    def _best(self, event: EpochDone) -> dict[str, float]:
        return {f"best_{self.objective}": event.metrics[self.objective], "best_epoch": float(event.epoch)}

    @property
    def run_id(self) -> str:
        """Return MLflow's id of the run, when the store is there.

        Raises:
            UserError: the store cannot be used.
        """
        return self.replies.wait_for_run_id()

    def wait_for_store(self, seconds: float) -> None:
        """Wait until the store has taken the run, before hours of training; no longer than ``START_SECONDS``.

        What is refused later is raised at the run's end, when all else has been kept.

        Args:
            seconds: how long to wait at most.

        Raises:
            UserError: the store cannot be used.
        """
        if self.acceptance:
            with suppress(TimeoutError):
                self.acceptance.result(max(0.0, min(seconds, self.patience)))

    def _accept(self, acceptance: "Future[None]", use: tuple[str, str]) -> None:
        try:
            self.replies.wait_for_run_id()
            self.connection.accepted.add(use)
            acceptance.set_result(None)
        except BaseException as error:
            acceptance.set_exception(error)

    def finish(self, *, is_pruned: bool = False) -> None:
        """Set how the run ends if no exception passes through the context: FINISHED; if pruned, KILLED and tagged."""
        self.end = End("KILLED" if is_pruned else "FINISHED", is_pruned=is_pruned)

    def wait_for_end(self) -> None:
        """Wait until MLflow has all of the run.

        Raises:
            UserError: the store cannot be used.
        """
        self.replies.wait_for_end()

    def __enter__(self) -> "Tracker":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: Any) -> None:
        self.send(_end_by(error) if error else self.end)
        if self.is_trial and error is None:
            self.connection.flush()  # before the study says that the trial is complete
            self._wait_for_earlier_runs()
            return
        killer = threading.Timer(KILLED_SECONDS, self.connection.process.kill)
        if error is not None and not isinstance(error, Exception):
            killer.start()
        try:
            self.wait_for_end()
        except UserError as failure:
            if error is None:
                raise failure from None
        finally:
            killer.cancel()

    def _wait_for_earlier_runs(self) -> None:
        try:
            self.replies.wait_for_earlier_runs()
        except UserError as failure:  # of a trial that has been trained: its value counts
            log.warning(f"{failure}; the trial counts, but is not recorded there")


def record_study(done: StudyDone) -> str:
    """Record the result of a study in its own MLflow run.

    Returns:
        The run's id.

    Raises:
        UserError: the store cannot be used.
    """
    tracker = Tracker(done)
    tracker.wait_for_end()
    return tracker.run_id


def _end_by(error: BaseException) -> End:
    is_stopped = not isinstance(error, Exception)  # by a signal
    return End("KILLED" if is_stopped else "FAILED", f"{type(error).__name__}: {error}")

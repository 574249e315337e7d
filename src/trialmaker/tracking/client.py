"""The training process' end of tracking. Light: it imports no MLflow."""

import logging
import math
import shlex
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from trialmaker.platform.redaction import without_password
from trialmaker.tracking.connection import Connection, NoConnection, connect
from trialmaker.tracking.delivery_state import delivered_run_id
from trialmaker.tracking.messages import End, Message, Start, StudyDone
from trialmaker.tracking.open_journal import open_journal
from trialmaker.tracking.places import RunPlace
from trialmaker.tracking.progress import RunProgress
from trialmaker.tracking.record_ids import EventRecords, record_id
from trialmaker.tracking.settings import STORE_FILE
from trialmaker.training.events import EpochDone, Event

log = logging.getLogger(__name__)
START_SECONDS = 1.0  # a training waits no longer for its store's answer, most of which TensorFlow's import hides
END_SECONDS = 30.0  # a run that has ended waits no longer for a store that does not answer
WORKING_SECONDS = 300.0  # nor for one that does
KILLED_SECONDS = 10.0  # nor a run that was stopped by a signal for either
LEFT_TO_FIRST = "the first instance brings it to MLflow"
SHORTEST_END_SECONDS = 1.0  # for what MLflow has in a moment, however late it is


class Tracker:
    """One MLflow run: what is sent is in its journal at once, from which the tracking process delivers it.

    A listener of the training loop, and a context manager. Leaving the context ends the run: as ``finish`` says, or
    FAILED or KILLED by the exception that passes through. It waits until MLflow has all, within limits; what MLflow
    does not have then stays in the journal, and ``undelivered`` says why. A training process that is killed leaves a
    closed pipe, and its run becomes KILLED. A study's trial does not wait for MLflow to write its end: the next trial
    does, so that MLflow is never more than one trial behind.

    Args:
        first: the beginning of the run, or the result of a study. A run that the directory's journal holds already is
            gone on with; the journal of another one is moved away.
        deadline: ``time.monotonic()`` at which nothing is waited for at the end; infinite for the limits above.
        is_delivered: whether a tracking process of this instance delivers the journal; else it is only kept.

    Attributes:
        store: the tracking URI, without its password.
        run_key: identifies the run in all its attempts.
        undelivered: why MLflow does not have all of the run; "" if it has, and until the end where it is delivered.

    Raises:
        JournalBusy: another process works on the run.
        OSError: the journal cannot be written.
    """

    def __init__(self, first: Start | StudyDone, deadline: float = math.inf, *, is_delivered: bool = True) -> None:
        start = first if isinstance(first, Start) else first.start
        storage = first.storage if isinstance(first, StudyDone) else ""
        place = RunPlace(start.run_directory, start.output, start.uri, start.project, storage)
        self.deadline = deadline
        self.store = without_password(start.store)
        self.is_trial = start.trial is not None
        self.undelivered = "" if is_delivered else LEFT_TO_FIRST
        self.end = End("FINISHED")
        self._is_refused = False
        self._use = (start.store, start.experiment)
        is_new = start.uri is None and not (start.output / STORE_FILE).exists()
        self.patience = 0.0 if is_new else START_SECONDS  # to make a store takes seconds, and is seldom refused
        self._records = EventRecords(start.params.get("objective", ""), is_trial=self.is_trial)
        self.journal = open_journal(start)
        self.run_key = (self.journal.head or start).run_key
        if isinstance(first, StudyDone):
            self.send(first)
        self.connection: Connection | NoConnection = connect(place) if is_delivered else NoConnection()
        self.progress: RunProgress = self.connection.follow(place, delivered_run_id(place))

    def send(self, message: Message) -> None:
        """Record a message, unless an earlier attempt has.

        Raises:
            OSError: the journal cannot be written, such as for want of space.
        """
        self.journal.append(message, record_id(message))

    def __call__(self, event: Event) -> None:
        """Record the metrics of an epoch or of some steps, unless an earlier attempt has; other events have none."""
        if record := self._records(event):
            self.journal.append(record[1], record[0])

    def has(self, event: Event) -> bool:
        """Return whether an earlier attempt has recorded an event. Ask before the event is given to the tracker."""
        record = self._records(event)
        return record is not None and record[0] in self.journal.earlier_ids

    def has_message(self, message: Message) -> bool:
        """Return whether an earlier attempt has recorded a message."""
        return record_id(message) in self.journal.earlier_ids

    def record_best(self, best: EpochDone, epochs: int) -> None:
        """Record a run's best epoch at its end, where an earlier attempt took a part of an epoch for it."""
        if record := self._records.best_after_parts(best, epochs, self.journal.earlier_ids):
            self.journal.append(record[1], record[0])

    @property
    def known_run_id(self) -> str:
        """Return MLflow's id of the run as far as it is known now; "" while it is not."""
        return self.progress.run_id

    @property
    def run_id(self) -> str:
        """Return MLflow's id of the run, when the store is there, however long that takes; "" if nobody will know it.

        Raises:
            UserError: the store refuses the run.
        """
        return self.wait_for_run_id(math.inf, math.inf)

    def wait_for_run_id(self, working: float = WORKING_SECONDS, away: float = 0.0) -> str:
        """Return MLflow's id of the run; "" where it is not known in time, or at the deadline.

        Args:
            working: how long to wait at most for a store that answers, seconds.
            away: for one that does not.

        Raises:
            UserError: the store refuses the run.
        """
        left = max(0.0, self.deadline - time.monotonic())
        self._wait(lambda: self.progress.run_id, self.progress, min(working, left), min(away, left))
        if error := self.progress.error:
            raise error
        return self.progress.run_id

    def wait_for_store(self, seconds: float) -> None:
        """Wait until the store has taken the run, before hours of training; no longer than ``START_SECONDS``.

        A store that is away does not end the training: what is recorded is delivered later.

        Args:
            seconds: how long to wait at most.

        Raises:
            UserError: the store refuses the run, and always will.
        """
        if self._use in self.connection.accepted:
            return
        limit = max(0.0, min(seconds, self.patience))
        self._wait(lambda: self.progress.run_id, self.progress, limit, 0.0)
        if self.progress.run_id:
            self.connection.accepted.add(self._use)
        if error := self.progress.error:
            self._is_refused = True
            raise error

    def finish(self, *, is_pruned: bool = False) -> None:
        """Set how the run ends if no exception passes through the context: FINISHED; if pruned, KILLED and tagged."""
        self.end = End("KILLED" if is_pruned else "FINISHED", is_pruned=is_pruned)

    def wait_for_end(self, working: float = WORKING_SECONDS, away: float | None = None) -> None:
        """Wait until MLflow has all of the run, or until the deadline; then ``undelivered`` says why it has not.

        Args:
            working: how long to wait at most for a store that answers, seconds.
            away: for one that does not; None for ``END_SECONDS``.
        """
        away = END_SECONDS if away is None else away
        left = max(SHORTEST_END_SECONDS, self.deadline - time.monotonic())
        self._wait(lambda: False, self.progress, min(working, left), min(away, left))
        if not self.progress.is_done:
            self.undelivered = without_password(self.progress.refusal or self.progress.away or "it takes too long")
            self.progress.is_given_up = True
            place = shlex.quote(str(self.progress.place.output))
            log.warning(
                f"MLflow does not have all of this run ({self.undelivered}):"
                f" python -m trialmaker sync {place} delivers the rest"
            )

    def __enter__(self) -> "Tracker":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: Any) -> None:
        if error:
            with suppress(OSError, RuntimeError):  # of the journal, of a bug; the run's own error comes first
                self._fail(error)
            return
        self._end(self.end)
        if self.is_trial:
            self._wait_for_earlier_runs()
        else:
            self.wait_for_end()

    def _fail(self, error: BaseException) -> None:
        is_stopped = not isinstance(error, Exception)  # by a signal
        self._end(End("KILLED" if is_stopped else "FAILED", f"{type(error).__name__}: {error}"))
        if self._is_refused and self.journal.is_new:  # nothing came of the run
            self.journal.remove()
        elif not self.journal.path.exists():  # then nobody can deliver it
            self.undelivered, self.progress.is_given_up = "its journal was removed", True
        elif is_stopped:
            self.wait_for_end(KILLED_SECONDS, KILLED_SECONDS)
        else:
            self.wait_for_end()

    def _end(self, end: End) -> None:
        try:
            self.journal.append(end)
        finally:
            self.journal.close()

    def _wait_for_earlier_runs(self) -> None:
        """Let MLflow be one trial behind; where its store is away, that is never more than it will have later."""
        for run in self.connection.progress.undelivered():
            if run is self.progress:
                break
            self._wait(lambda: False, run, max(0.0, min(WORKING_SECONDS, self.deadline - time.monotonic())), 0.0)
        if self.progress.error:
            log.warning(f"{self.progress.error}; the trial counts, but is not recorded there")

    def _wait(self, is_over: Callable[[], object], run: RunProgress, working: float, away: float) -> None:
        self.connection.progress.wait(lambda: run.is_settled or is_over(), lambda: away if run.away else working)


def record_study(done: StudyDone) -> str:
    """Record the result of a study in its own MLflow run.

    Returns:
        The run's id; "" where MLflow does not have it yet.

    Raises:
        UserError: the store refuses it.
    """
    tracker = Tracker(done)
    tracker.journal.close()
    tracker.wait_for_end()
    if error := tracker.progress.error:
        raise error
    return tracker.known_run_id

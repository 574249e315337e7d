"""The trial of a study, as a task reports to it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from copy import copy

from optuna.exceptions import UpdateFinishedTrialError
from optuna.pruners import MedianPruner, NopPruner, PercentilePruner, ThresholdPruner
from optuna.trial import FrozenTrial, Trial

from optuna_sweep.attributes import PRUNED
from optuna_sweep.leases import attempt_of, is_own
from optuna_sweep.optuna_internals import get_trial_id
from optuna_sweep.reports import write_values

OTHERS_SECONDS = 0.25  # by which the other trials that a pruner compares with may be older
VALUE_PRUNERS = (MedianPruner, PercentilePruner, ThresholdPruner)  # which need no more of a trial than its values


class LiveTrial:
    """A running trial of a study.

    Trials of several objectives are never pruned, and their reports are not stored.

    Args:
        trial: Optuna's.
        write_seconds: for how long reports may be kept back, to be written together; whoever sets that calls ``flush``
            or ``flush_own`` at the end.

    Attributes:
        number: the trial's, from 0.
        study: the study's name.
        attempt: how often the trial was begun before and not brought to its end.
        report_count: how many values were reported.
        is_pruned: whether the task was told to stop.
    """

    def __init__(self, trial: Trial, write_seconds: float = 0.0) -> None:
        self.trial, self.write_seconds = trial, write_seconds
        self.number: int | None = trial.number
        self.study: str | None = trial.study.study_name
        self._begin = trial.storage.get_trial(get_trial_id(trial))
        self.attempt = attempt_of(self._begin)
        self.report_count = 0
        self.is_pruned = False
        self._has_one_objective = len(trial.study.directions) == 1
        self._values: dict[int, float] = {}  # by step; an attempt that was stopped may have left others in the storage
        self._unwritten: dict[int, float] = {}
        self._written_at = time.monotonic()
        self._timer: threading.Timer | None = None  # that writes what is kept back; None where nothing is
        self._lock = threading.Lock()  # of writes

    def report(self, value: float, step: int) -> None:
        """Store a value of the objective, reached after `step` units of work."""
        self.report_count += 1
        if self._has_one_objective:
            self._values[step] = self._unwritten[step] = float(value)
            left = self.write_seconds - (time.monotonic() - self._written_at)
            if left <= 0.0:
                self.flush()
            elif self._timer is None:
                self._timer = threading.Timer(left, self._flush_in_time)
                self._timer.daemon = True
                self._timer.start()

    def flush(self) -> None:
        """Store what was reported and kept back; a trial that was given to another process, and has ended, stays so."""
        with self._lock:
            timer, self._timer = self._timer, None  # before the values are taken: a later one has a timer of its own
            if timer:
                timer.cancel()
            if values := self._unwritten.copy():
                with suppress(UpdateFinishedTrialError):
                    write_values(self.trial.storage, get_trial_id(self.trial), values)
                self._written_at = time.monotonic()
                for step, value in values.items():
                    if self._unwritten[step] is value:  # else it was reported again meanwhile
                        del self._unwritten[step]

    def flush_own(self) -> None:
        """Store what was kept back of a trial that was stopped, if this process has it still, and as far as it can."""
        if self._unwritten:
            with suppress(Exception):  # what has stopped the trial comes first
                if self.is_own():
                    self.flush()

    def _flush_in_time(self) -> None:
        with suppress(Exception):  # which the next write meets, too
            self.flush()

    def should_prune(self) -> bool:
        """Return whether the study's pruner ends this trial; once it does, always."""
        pruner = self.trial.study.pruner
        if not self.is_pruned and self._has_one_objective and not isinstance(pruner, NopPruner):
            with self._recent_trials():
                self.is_pruned = pruner.prune(self.trial.study, self._frozen())
            if self.is_pruned:
                self.flush()
                self.trial.set_user_attr(PRUNED, True)  # for the sweeper, which may be another process
        return self.is_pruned

    def is_own(self) -> bool:
        """Return whether this process, which has claimed the trial, has it still."""
        return is_own(self.trial.storage.get_trial(get_trial_id(self.trial)))

    def _frozen(self) -> FrozenTrial:
        """Return the trial with the values of this attempt, as a pruner takes it."""
        if type(self.trial.study.pruner) in VALUE_PRUNERS:
            frozen = copy(self._begin)
        else:  # which may keep notes in the trial's attributes
            self.flush()
            frozen = copy(self.trial.storage.get_trial(get_trial_id(self.trial)))
        frozen.intermediate_values = self._values
        return frozen

    @contextmanager
    def _recent_trials(self) -> Iterator[None]:
        """Spare a pruner that compares values the call for other trials' values that were just asked for."""
        reading = getattr(self.trial.storage, "reading_recent_trials", None)
        if reading is None or type(self.trial.study.pruner) not in VALUE_PRUNERS:
            yield
            return
        with reading(OTHERS_SECONDS):
            yield

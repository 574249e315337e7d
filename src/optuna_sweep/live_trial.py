"""The trial of a study, as a task reports to it."""

from copy import copy

from optuna.trial import Trial

from optuna_sweep.attributes import PRUNED
from optuna_sweep.leases import attempt_of
from optuna_sweep.optuna_internals import get_trial_id


class LiveTrial:
    """A running trial of a study.

    Trials of several objectives are never pruned, and their reports are not stored.

    Attributes:
        number: the trial's, from 0.
        study: the study's name.
        attempt: how often the trial was begun before and not brought to its end.
        report_count: how many values were reported.
        is_pruned: whether the task was told to stop.
    """

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.number: int | None = trial.number
        self.study: str | None = trial.study.study_name
        self.attempt = attempt_of(trial.storage.get_trial(get_trial_id(trial)))
        self.report_count = 0
        self.is_pruned = False
        self._has_one_objective = len(trial.study.directions) == 1
        self._values: dict[int, float] = {}  # by step; an attempt that was stopped may have left others in the storage

    def report(self, value: float, step: int) -> None:
        """Store a value of the objective, reached after `step` units of work."""
        self.report_count += 1
        if self._has_one_objective:
            self._values[step] = float(value)
            self.trial.storage.set_trial_intermediate_value(get_trial_id(self.trial), step, float(value))

    def should_prune(self) -> bool:
        """Return whether the study's pruner ends this trial; once it does, always."""
        if not self.is_pruned and self._has_one_objective:
            frozen = copy(self.trial.storage.get_trial(get_trial_id(self.trial)))
            frozen.intermediate_values = self._values
            self.is_pruned = self.trial.study.pruner.prune(self.trial.study, frozen)
            if self.is_pruned:
                self.trial.set_user_attr(PRUNED, True)  # for the sweeper, which may be another process
        return self.is_pruned

"""The trial of a study that a task reports to."""

from copy import copy
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.trial import Trial as OptunaTrial

PRUNED = "pruned"


class LiveTrial:
    """Of a study.

    Attributes:
        reports: how many values were told.
        is_pruned: whether the task was told to stop.
    """

    def __init__(self, trial: "OptunaTrial") -> None:
        self.trial = trial
        self.number: int | None = trial.number
        self.study: str | None = trial.study.study_name
        self.is_single = len(trial.study.directions) == 1
        self.told: dict[int, float] = {}  # an attempt that was stopped may have left others in the storage
        self.reports = 0
        self.is_pruned = False

    def report(self, value: float, step: int) -> None:
        self.reports += 1
        if self.is_single:
            self.told[step] = float(value)
            self.trial.storage.set_trial_intermediate_value(self.trial._trial_id, step, float(value))

    def should_prune(self) -> bool:
        if not self.is_pruned and self.is_single:
            frozen = copy(self.trial.storage.get_trial(self.trial._trial_id))
            frozen.intermediate_values = self.told
            self.is_pruned = self.trial.study.pruner.prune(self.trial.study, frozen)
            if self.is_pruned:
                self.trial.set_user_attr(PRUNED, True)  # for the sweeper, which may be another process
        return self.is_pruned

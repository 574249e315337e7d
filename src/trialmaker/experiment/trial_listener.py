"""The listener that reports a run to the study whose trial it is."""

import logging

from optuna_sweep.trial import current_trial
from trialmaker.training.events import EarlyValidation, EpochDone, Event


class TrialReporter:
    """A listener that reports to the study which the run is a trial of, if it is one."""

    def __init__(self, objective: str) -> None:
        self.objective = objective
        self.current = current_trial()
        self.is_one = self.current.number is not None
        self.level = logging.DEBUG if self.is_one else logging.INFO  # of what all trials would say alike
        self.is_pruned = False

    def __call__(self, event: Event) -> None:
        if self.is_pruned:  # early, so that the epoch is none
            return
        if isinstance(event, EarlyValidation | EpochDone):
            step = event.epoch if isinstance(event, EpochDone) else 0
            self.current.report(event.metrics[self.objective], step)
            self.is_pruned = self.current.should_prune()

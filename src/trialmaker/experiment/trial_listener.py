"""The listener that reports a run to the study whose trial it is."""

from optuna_sweep.trial import CurrentTrial
from trialmaker.training.events import EarlyValidation, EpochDone, Event


class TrialReporter:
    """A listener that reports each validation to the study, and learns whether the trial is pruned.

    Args:
        trial: the study's, or the no-op trial.
        objective: the metric to report.
    """

    def __init__(self, trial: CurrentTrial, objective: str) -> None:
        self.trial, self.objective = trial, objective
        self.is_pruned = False

    def __call__(self, event: Event) -> None:
        """Report a validation; one within the first epoch counts as step 0."""
        if self.is_pruned:  # by the early validation, so that the epoch is cut short and no result
            return
        if isinstance(event, EarlyValidation | EpochDone):
            step = event.epoch if isinstance(event, EpochDone) else 0
            self.trial.report(event.metrics[self.objective], step)
            self.is_pruned = self.trial.should_prune()

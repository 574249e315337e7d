"""The listener that reports a run to the study whose trial it is."""

from collections.abc import Iterable

from optuna_sweep.trial import CurrentTrial
from trialmaker.training.events import EarlyValidation, EpochDone, Event


class TrialReporter:
    """A listener that reports each validation to the study, and learns whether the trial is pruned.

    Args:
        trial: the study's, or the no-op trial.
        objective: the metric to report.
        epochs: of the whole training. Its last is never pruned: nothing would be saved, and a result lost.
    """

    def __init__(self, trial: CurrentTrial, objective: str, epochs: int) -> None:
        self.trial, self.objective, self.epochs = trial, objective, epochs
        self.is_pruned = False
        self.reports: list[tuple[int, float]] = []  # (step, value)

    def __call__(self, event: Event) -> None:
        """Report a validation; one within the first epoch counts as step 0."""
        if self.is_pruned:  # by the early validation, so that the epoch is cut short and no result
            return
        if isinstance(event, EpochDone) and event.stopped_by == "signal":  # the next attempt makes the whole epoch
            return
        if isinstance(event, EarlyValidation | EpochDone):
            step = event.epoch if isinstance(event, EpochDone) else 0
            self._report(step, event.metrics[self.objective])
            self.is_pruned = self._should_prune()

    def restore(self, reports: Iterable[tuple[int, float]]) -> None:
        """Report again what an earlier attempt has reported: the study's pruner compares with all of it."""
        for step, value in reports:
            self._report(step, value)
        self.is_pruned = bool(self.reports) and self._should_prune()

    def _should_prune(self) -> bool:
        return self.reports[-1][0] < self.epochs and self.trial.should_prune()

    def _report(self, step: int, value: float) -> None:
        self.reports.append((step, value))
        self.trial.report(value, step)

"""The listener that notes the best epoch in the run's result."""

from trialmaker.platform.run_result import RunResult
from trialmaker.training.events import EpochDone, Event


class ResultListener:
    """A listener that keeps ``result.json``'s best epoch up to date, for runs that do not come to their end too."""

    def __init__(self, result: RunResult) -> None:
        self.result = result

    def __call__(self, event: Event) -> None:
        """Note the epoch, if it is the best so far."""
        if isinstance(event, EpochDone) and event.best_weights is not None:
            self.result.best_epoch, self.result.best_metrics = event.epoch, dict(event.metrics)

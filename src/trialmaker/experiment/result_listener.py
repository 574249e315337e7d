"""The listener that notes each epoch, and the best one in the run's result."""

from collections.abc import Mapping, MutableSequence
from pathlib import Path

from trialmaker.platform.run_result import RunResult, check_present
from trialmaker.training.events import EpochDone, Event


class ResultListener:
    """A listener that keeps ``result.json``'s best epoch up to date, for runs that do not come to their end too.

    Args:
        result: the run's.
        directory: the run's, which must stay there.
        history: gets (epoch, metrics) of each epoch that has ended.
    """

    def __init__(
        self, result: RunResult, directory: Path, history: MutableSequence[tuple[int, Mapping[str, float]]]
    ) -> None:
        self.result, self.directory, self.history = result, directory, history

    def __call__(self, event: Event) -> None:
        """Note the epoch, if it is the best so far; raise ``UserError`` where the run's directory was removed."""
        if isinstance(event, EpochDone):
            check_present(self.directory)
            self.history.append((event.epoch, event.metrics))
        if isinstance(event, EpochDone) and event.best_weights is not None:
            self.result.best_epoch, self.result.best_metrics = event.epoch, dict(event.metrics)

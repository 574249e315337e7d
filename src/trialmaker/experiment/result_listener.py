"""The listener that notes each epoch, and the best one in the run's result."""

from collections.abc import Mapping, MutableSequence, Sequence
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
            if event.stopped_by is None:
                self.history.append((event.epoch, event.metrics))
            if event.best_weights is not None:
                self._note_best(event)

    def restore(self, history: Sequence[tuple[int, Mapping[str, float]]], best: EpochDone | None) -> None:
        """Take up what an earlier attempt of the run has noted."""
        self.history.extend(history)
        if best:
            self._note_best(best)

    def _note_best(self, event: EpochDone) -> None:
        self.result.best_epoch, self.result.best_metrics = event.epoch, dict(event.metrics)

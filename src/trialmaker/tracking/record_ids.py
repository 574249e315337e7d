"""The records of a run's journal, by ids that are the same in a replay: of the loop's events, and of messages."""

from collections.abc import Collection

from trialmaker.tracking.messages import BestModel, DataUsed, Message, Metrics, Params, Predictions
from trialmaker.training.events import EpochDone, Event, StepsDone, StepsMean

PART = "part of epoch"  # how the ids of records begin that a run that goes on makes void
TEST = "test_"  # how the names of metrics begin that are measured at the end


def record_id(message: Message) -> str | None:
    """Return the id of a message's record; None for one that each attempt has anew."""
    if isinstance(message, DataUsed):
        return "data"
    if isinstance(message, Params):
        return f"params {' '.join(sorted(message.values))}"
    if isinstance(message, Predictions):
        return f"predictions {message.epoch}"
    if isinstance(message, BestModel):
        return f"best model {message.epoch}"
    if isinstance(message, Metrics):
        is_test = any(name.startswith(TEST) for name in message.values)
        return f"test {message.step}" if is_test else f"{' '.join(sorted(message.values))} {message.step}"
    return None


class EventRecords:
    """The records of the training loop's events.

    Args:
        objective: the metric that is optimized; an epoch that is the best so far has the run's best value too, by
            which MLflow's list sorts runs that go on.
        is_trial: whether the run is a trial, of which there may be thousands, and which has the best at its end alone.
    """

    def __init__(self, objective: str, *, is_trial: bool) -> None:
        self.objective, self.is_trial = objective, is_trial
        self._step = 0  # the last one

    def __call__(self, event: Event) -> tuple[str, Metrics] | None:
        """Return the id and the metrics of an event; None for one that has none to record.

        A part of an epoch that a signal ended is made whole by the next attempt, and not recorded; one at the run's
        time limit is, under an id of its own, since the run may end with it. A pruned trial has no other attempt.
        """
        if isinstance(event, StepsDone):
            self._step = event.step
        if isinstance(event, StepsMean):
            return f"step {event.step}", Metrics(event.step, {"step_loss": event.loss, "step_accuracy": event.accuracy})
        if not isinstance(event, EpochDone) or event.stopped_by == "signal":
            return None
        is_final = event.stopped_by in (None, "pruned")
        id = f"epoch {event.epoch}" if is_final else f"{PART} {event.epoch} at step {self._step}"
        return id, Metrics(event.epoch, event.metrics | self._best(event))

    def best_after_parts(self, best: EpochDone, epochs: int, ids: Collection[str]) -> tuple[str, Metrics] | None:
        """Return the record of a run's best epoch at its end, where an earlier attempt has recorded a part as the best.

        Args:
            best: the best epoch.
            epochs: of the whole run.
            ids: of the earlier attempts' records.
        """
        has_parts = any(one.startswith(PART) for one in ids)
        return (f"best after {epochs}", Metrics(epochs, self._best(best))) if has_parts else None

    def _best(self, event: EpochDone) -> dict[str, float]:
        if event.best_weights is None or self.is_trial or not self.objective:
            return {}
        return {f"best_{self.objective}": event.metrics[self.objective], "best_epoch": float(event.epoch)}

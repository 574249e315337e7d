"""The records of a run's journal, by ids that are the same in a replay: of the loop's events, and of messages."""

from trialmaker.tracking.messages import BestModel, DataUsed, Message, Metrics, Params, Predictions
from trialmaker.training.events import EpochDone, Event, StepsDone, StepsMean

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

        A part of an epoch that a signal ended is made whole by the next attempt, and not recorded.
        """
        if isinstance(event, StepsDone):
            self._step = event.step
        if isinstance(event, StepsMean):
            return f"step {event.step}", Metrics(event.step, {"step_loss": event.loss, "step_accuracy": event.accuracy})
        if isinstance(event, EpochDone) and _stopped_by(event) != "signal":
            return self._id(event), Metrics(event.epoch, event.metrics | self._best(event))
        return None

    def _id(self, event: EpochDone) -> str:
        return f"part of epoch {event.epoch} at step {self._step}" if _stopped_by(event) else f"epoch {event.epoch}"

    def _best(self, event: EpochDone) -> dict[str, float]:
        if event.best_weights is None or self.is_trial or not self.objective:
            return {}
        return {f"best_{self.objective}": event.metrics[self.objective], "best_epoch": float(event.epoch)}


def _stopped_by(event: EpochDone) -> str | None:
    """Return why the epoch is but a part of one; None for a whole one."""
    reason: str | None = getattr(event, "stopped_by", None)
    return reason

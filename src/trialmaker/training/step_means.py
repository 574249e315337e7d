"""Means of the steps' metrics over every so many steps."""

from collections.abc import Sequence

from trialmaker.training.events import Event, Listener, StepsDone, StepsMean


class StepMeans:
    """Passes on what it hears, and after every so many steps their means."""

    def __init__(self, every_steps: int, listeners: Sequence[Listener]) -> None:
        self.every_steps, self.listeners = every_steps, listeners
        self.losses: list[float] = []
        self.accuracies: list[float] = []

    def __call__(self, event: Event) -> None:
        self._tell(event)
        if isinstance(event, StepsDone):
            first = event.step - len(event.losses) + 1
            for step, loss, accuracy in zip(range(first, event.step + 1), event.losses, event.accuracies, strict=True):
                self.losses.append(loss)
                self.accuracies.append(accuracy)
                if step % self.every_steps == 0:
                    self._tell(StepsMean(step, mean(self.losses), mean(self.accuracies)))
                    self.losses.clear()
                    self.accuracies.clear()

    def _tell(self, event: Event) -> None:
        for listener in self.listeners:
            listener(event)


def mean(values: list[float]) -> float:
    return sum(values) / len(values)

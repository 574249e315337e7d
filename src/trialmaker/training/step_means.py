"""Means of the steps' metrics over every so many steps, and over an epoch that has fewer."""

from collections.abc import Sequence

import numpy as np

from trialmaker.training.events import EpochDone, Event, Listener, StepsDone, StepsMean
from trialmaker.training.snapshot import Misfit, Snapshot


class StepMeans:
    """A listener that passes events on, and adds the means over every so many steps.

    An epoch in which none would end has one at its end, so that curves of a short training are not empty; a part of
    an epoch has none, since the whole one would not have it there.

    Args:
        every_steps: steps between two means.
        listeners: to pass events on to.
    """

    def __init__(self, every_steps: int, listeners: Sequence[Listener]) -> None:
        self.every_steps, self.listeners = every_steps, listeners
        self.losses: list[float] = []
        self.accuracies: list[float] = []
        self.step = 0  # the last one
        self.is_due = True  # whether the epoch has none yet

    def __call__(self, event: Event) -> None:
        """Pass the event on, and the means that it completes."""
        if isinstance(event, EpochDone) and event.stopped_by is None:
            if self.is_due and self.losses:
                self._notify_mean()
            self.is_due = True
        self._notify(event)
        if isinstance(event, StepsDone):
            first = event.step - len(event.losses) + 1
            for self.step, loss, accuracy in zip(
                range(first, event.step + 1), event.losses, event.accuracies, strict=True
            ):
                self.losses.append(loss)
                self.accuracies.append(accuracy)
                if self.step % self.every_steps == 0:
                    self._notify_mean()

    def snapshot(self) -> Snapshot:
        """Return the values since the last mean, copied."""
        arrays = {"losses": np.array(self.losses, np.float64), "accuracies": np.array(self.accuracies, np.float64)}
        return Snapshot({"step": self.step, "is_due": self.is_due}, arrays)

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from there.

        Raises:
            Misfit: the snapshot is none of means; nothing is changed.
        """
        self.losses, self.accuracies = self.check(snapshot)
        self.step, self.is_due = snapshot.values["step"], snapshot.values["is_due"]

    @staticmethod
    def check(snapshot: Snapshot) -> list[list[float]]:
        """Return the losses and accuracies of a snapshot; raise ``Misfit`` if it has none."""
        if set(snapshot.values) != {"step", "is_due"}:
            raise Misfit(f"means: {', '.join(snapshot.values)} there, step, is_due here")
        return snapshot.lists("losses", "accuracies")

    def _notify_mean(self) -> None:
        self._notify(StepsMean(self.step, mean(self.losses), mean(self.accuracies)))
        self.losses.clear()
        self.accuracies.clear()
        self.is_due = False

    def _notify(self, event: Event) -> None:
        for listener in self.listeners:
            listener(event)


def mean(values: list[float]) -> float:
    """Return the arithmetic mean, summed from left to right."""
    return sum(values) / len(values)

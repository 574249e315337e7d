"""What is best: used by training, by publishing and by whatever compares runs."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Objective:
    """The metric that decides what is best.

    Args:
        name: a key of ``EpochDone.metrics``.
        direction: ``maximize`` or ``minimize``.
    """

    name: str
    direction: str

    def is_better(self, metrics: Mapping[str, float], than: Mapping[str, float]) -> bool:
        """Return whether an epoch with ``metrics`` beats one with those of ``than``.

        The lower ``val_loss`` breaks a tie: a few hundred validation images give the same accuracy again and again.
        """
        value, other = metrics[self.name], than[self.name]
        if value == other:
            return metrics["val_loss"] < than["val_loss"]
        return value > other if self.direction == "maximize" else value < other

"""What is best: used by training, by publishing and by whatever compares runs."""

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

    def is_better(self, value: float, than: float | None) -> bool:
        """Whether ``value`` beats ``than``; anything beats None."""
        if than is None:
            return True
        return value > than if self.direction == "maximize" else value < than

"""A logarithmic scale on which the last tenth of a percent of an accuracy can be seen, and the last of a loss."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import MaxNLocator

TICK_PATTERNS = ((1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 2, 5), (1,))  # in each decade
MAX_LOG_TICKS = 10
NARROW = 3.0  # a ratio, below which ticks a step apart are spread evenly enough
ACCURACY_DECIMALS = 12  # an accuracy of 1 may come as a sum that is not quite 1
TICK_SPACE = 0.05  # of the axis


@dataclass(frozen=True)
class LogScale:
    """A logarithmic scale of a loss; or of an accuracy, by its distance from 1, so that 99.8 % and 99.9 % lie apart.

    Args:
        of_accuracy: whether the values are accuracies; then the axis goes up as they do.
        floor: what is drawn in place of the distance 0, for which such a scale has no place.
    """

    of_accuracy: bool
    floor: float

    def positions(self, values: Sequence[float]) -> np.ndarray:
        """Return where values lie on the axis, upwards; float64 [N]."""
        logarithms: np.ndarray = np.log10(np.maximum(_distances(values, self.of_accuracy), self.floor))
        return -logarithms if self.of_accuracy else logarithms

    def ticks(self, values: Sequence[float]) -> dict[float, str]:
        """Return labels by position, for an axis that shows these values."""
        distances = np.maximum(_distances(values, self.of_accuracy), self.floor)
        marks = _round_numbers(distances.min(), distances.max())
        if distances.min() == self.floor:  # stands for 0; between it and the least other distance is nothing
            marks = [0.0, *(mark for mark in marks if mark >= 2 * self.floor)]
        if self.of_accuracy:
            marks = [mark for mark in marks if mark <= 1]
        shown = [round(1 - mark, ACCURACY_DECIMALS) if self.of_accuracy else mark for mark in marks]
        labels = [f"{100 * value:.8g} %" if self.of_accuracy else f"{value:.8g}" for value in shown]
        ticks = dict(zip(map(float, self.positions(shown)), labels, strict=True))
        return _without_crowds(ticks, TICK_SPACE * float(np.ptp(self.positions(values))))


def log_scale(values: Sequence[float], *, of_accuracy: bool) -> LogScale:
    """Return the scale for these values; what is 0 lies at half of the least that is not."""
    distances = _distances(values, of_accuracy)
    positive = distances[distances > 0]
    return LogScale(of_accuracy, float(positive.min()) / 2 if len(positive) else 1e-3)


def _distances(values: Sequence[float], of_accuracy: bool) -> np.ndarray:
    array = np.asarray(values, np.float64)
    distances: np.ndarray = (1 - array).round(ACCURACY_DECIMALS) if of_accuracy else array
    return distances


def _without_crowds(ticks: dict[float, str], space: float) -> dict[float, str]:
    """Return the ticks without those that would overlap an earlier one."""
    kept: dict[float, str] = {}
    for position, label in ticks.items():
        if all(abs(position - other) >= space for other in kept):
            kept[position] = label
    return kept


def _round_numbers(low: float, high: float) -> list[float]:
    """Return a few round numbers in a range of positive numbers, ascending; decades apart, if the range is wide."""
    if high / low < NARROW:
        margin = 0.05 * (high - low) or 0.05 * high
        return [
            float(one)
            for one in MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]).tick_values(low - margin, high + margin)
            if one > 0
        ]
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    inside: list[float] = []
    for pattern in TICK_PATTERNS:
        numbers = [float(f"{digit}e{decade}") for decade in decades for digit in pattern]
        inside = [number for number in numbers if low <= number <= high]
        if len(inside) <= MAX_LOG_TICKS:
            break
    return inside[:: -(-len(inside) // MAX_LOG_TICKS)]

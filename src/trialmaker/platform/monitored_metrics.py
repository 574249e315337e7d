"""Monitored metrics: what to paste into the platform's form, and what the platform reads out of a job's log."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Monitor:
    """One monitored metric of the platform's form.

    Args:
        name: the metric's name on the platform's page.
        expression: the regular expression that is searched for in each line of standard output; its first group is
            the value.
        sample: a line that it matches.
        metric: the name under which MLflow holds the same values.
    """

    name: str
    expression: str
    sample: str
    metric: str


# Such expressions take time in the square of a line's length: only so many characters of a line are searched.
MAX_SEARCH_CHARACTERS = 1000
STEP_LINE = "step 100, loss 0.3513, training accuracy 0.8900"
EPOCH_LINE = "epoch=1 loss=0.2103 accuracy=0.9371 val_loss=0.1102 val_accuracy=0.9683 learning_rate=0.001 seconds=0.43"
MONITORS = (
    Monitor("loss", r"step \d+, loss ([\d.e+-]+)", STEP_LINE, "step_loss"),
    Monitor("training accuracy", r".*?accuracy\s(.*)", STEP_LINE, "step_accuracy"),
    Monitor("validation accuracy", r"val_loss=\S+ val_accuracy=(\S+)", EPOCH_LINE, "val_accuracy"),
    Monitor("learning rate", r"val_accuracy=\S+ learning_rate=(\S+)", EPOCH_LINE, "learning_rate"),
)


def curves(log: Iterable[str]) -> dict[str, list[str]]:
    """Return the values of each monitor by its name, as text, in the order of the log's lines."""
    values: dict[str, list[str]] = {monitor.name: [] for monitor in MONITORS}
    for line in log:
        for monitor in MONITORS:
            if match := re.search(monitor.expression, line[:MAX_SEARCH_CHARACTERS]):
                values[monitor.name].append(match[1])
    return values


def last_values(curves: Mapping[str, list[str]]) -> Iterator[str]:
    """Yield a line for each curve: its name, its last value and the number of its values."""
    for name, values in curves.items():
        yield f"    {name:<20} {values[-1] if values else '-':>10}  ({len(values)} values)"

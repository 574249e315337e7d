"""Monitored metrics: what to paste into the platform's form, and what the platform reads out of a job's log."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Monitor:
    """A line of the form.

    Args:
        expression: searched for in each line of standard output; its first group is the value.
        sample: a line that it matches.
        metric: the name under which MLflow holds the same values.
    """

    name: str
    expression: str
    sample: str
    metric: str


SEARCHED_CHARACTERS = 1000  # of a line that is searched, characters: such expressions take the square of its length
STEP = "step 100, loss 0.3513, training accuracy 0.8900"
EPOCH = "epoch=1 loss=0.2103 accuracy=0.9371 val_loss=0.1102 val_accuracy=0.9683 learning_rate=0.001 seconds=0.43"
MONITORS = (
    Monitor("loss", r"step \d+, loss ([\d.e+-]+)", STEP, "step_loss"),
    Monitor("training accuracy", r".*?accuracy\s(.*)", STEP, "step_accuracy"),
    Monitor("validation accuracy", r"val_loss=\S+ val_accuracy=(\S+)", EPOCH, "val_accuracy"),
    Monitor("learning rate", r"val_accuracy=\S+ learning_rate=(\S+)", EPOCH, "learning_rate"),
)


def curves(log: Iterable[str]) -> dict[str, list[str]]:
    """The values of each monitor, by its name, in the order of the log's lines; as text, as the platform gets them."""
    found: dict[str, list[str]] = {monitor.name: [] for monitor in MONITORS}
    for line in log:
        for monitor in MONITORS:
            if match := re.search(monitor.expression, line[:SEARCHED_CHARACTERS]):
                found[monitor.name].append(match[1])
    return found


def last_values(curves: Mapping[str, list[str]]) -> Iterator[str]:
    """A line a curve: its name, its last value, and how many it has."""
    for name, values in curves.items():
        yield f"    {name:<20} {values[-1] if values else '-':>10}  ({len(values)} values)"

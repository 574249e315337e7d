"""Listeners that write a run's lines, or draw its bar, for a person and for the platform's expressions."""

import logging
import sys
from collections.abc import Callable

from trialmaker.platform.console import METRIC_LOGGER
from trialmaker.platform.progress_bar import progress_bar
from trialmaker.training.events import EpochDone, Event, StepsDone, StepsMean
from trialmaker.training.step_means import mean

log = logging.getLogger(METRIC_LOGGER)


def console_listener(*, total_steps: int, is_trial: bool) -> "Bar | Lines":
    """Return a live bar with a line an epoch, for a terminal; elsewhere, and above a study's table, plain lines."""
    if not is_trial and sys.stdout.isatty() and sys.stderr.isatty():
        return Bar(total_steps)
    return Lines()


class Lines:
    """A listener that writes ``step`` and ``epoch`` lines, whose form the platform's regular expressions rely on."""

    def __init__(self, write: Callable[[str], None] = log.info) -> None:
        self.write = write

    def __enter__(self) -> "Lines":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __call__(self, event: Event) -> None:
        """Write the event's line, if it has one."""
        if isinstance(event, EpochDone):
            self.write(epoch_line(event))
        elif isinstance(event, StepsMean):
            self.write(f"step {event.step}, loss {event.loss:.4f}, training accuracy {event.accuracy:.4f}")


class Bar:
    """A listener that draws a bar with rate and time left on standard error; a line an epoch on standard output."""

    def __init__(self, total_steps: int) -> None:
        self.bar = progress_bar(text="training", total=total_steps, unit=" steps")

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def __call__(self, event: Event) -> None:
        """Move the bar by the steps done; write the line of an epoch above it."""
        if isinstance(event, StepsDone):
            self.bar.set_postfix_str(f"epoch {event.epoch}, loss {mean(event.losses):.4f}", refresh=False)
            self.bar.update(len(event.losses))
        elif isinstance(event, EpochDone):
            self.bar.clear()
            log.info(epoch_line(event))
            self.bar.refresh()


def epoch_line(event: EpochDone) -> str:
    """Return ``epoch=1 loss=0.2103 accuracy=… val_loss=… val_accuracy=… learning_rate=0.001 seconds=0.43``."""
    metrics = event.metrics
    parts = [f"{name}={metrics[name]:.4f}" for name in ("loss", "accuracy", "val_loss", "val_accuracy")]
    return " ".join(
        [
            f"epoch={event.epoch}",
            *parts,
            f"learning_rate={metrics['learning_rate']:.4g}",
            f"seconds={metrics['seconds']:.2f}",
        ]
    )

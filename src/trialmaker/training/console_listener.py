"""Listeners that write a run's lines, or draw its bar, for a person and for the platform's expressions."""

import logging
import sys
from collections.abc import Callable
from contextlib import ExitStack

from trialmaker.platform.console import METRIC_LOGGER, on_terminal
from trialmaker.platform.progress_bar import progress_bar, status
from trialmaker.training.events import EpochDone, Event, StepsDone, StepsMean
from trialmaker.training.step_means import mean

log = logging.getLogger(METRIC_LOGGER)
BAR = "{desc} {percentage:3.0f}%|{bar}| {remaining} left, {rate_fmt}{postfix}"
COLUMN_WIDTHS = {
    "epoch": 6,
    "loss": 8,
    "accuracy": 8,
    "val_loss": 8,
    "val_accuracy": 12,
    "learning_rate": 13,
    "seconds": 8,
}
HEADING_EPOCHS = 20  # from one heading of the columns to the next
METRIC_FORMATS = {"learning_rate": ".4g", "seconds": ".2f"}  # of the other metrics: .4f


def console_listener(*, total_steps: int, epochs: int, is_trial: bool) -> "Bar | Lines":
    """Return a live bar with a line an epoch, for a terminal; elsewhere plain lines.

    Above a study's table there are none on a terminal; the log file has them.
    """
    is_terminal = sys.stdout.isatty() and sys.stderr.isatty()
    if is_terminal and not is_trial:
        return Bar(total_steps, epochs)
    return Lines(_write_to_files if is_terminal else log.info)


class Lines:
    """A listener that writes ``step`` and ``epoch`` lines, whose form the platform's regular expressions rely on."""

    def __init__(self, write: Callable[[str], None]) -> None:
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
    """A listener that draws a bar with rate and time left on standard error; a line an epoch on standard output.

    Neither rate nor time left counts the first call, which compiles, nor the first validation, which does too.
    """

    def __init__(self, total_steps: int, epochs: int) -> None:
        self.total_steps, self.epochs = total_steps, epochs
        self.shown = ExitStack()

    def __enter__(self) -> "Bar":
        self.bar = None
        self.shown.enter_context(status("compiling the training step"))
        return self

    def __exit__(self, *_: object) -> None:
        self.shown.close()

    def __call__(self, event: Event) -> None:
        """Move the bar by the steps done; write the line of an epoch above it."""
        if isinstance(event, StepsDone):
            self._move(event)
        elif isinstance(event, EpochDone):
            log.info(epoch_line(event), extra=on_terminal(epoch_row(event)))
            if self.bar is not None and event.epoch == 1:
                self.bar.unpause()

    def _move(self, event: StepsDone) -> None:
        text, loss = f"epoch {event.epoch}/{self.epochs}", f"loss {mean(event.losses):.4f}"
        if self.bar is None:
            self.shown.close()
            bar = progress_bar(text=text, total=self.total_steps, unit=" steps", initial=len(event.losses), form=BAR)
            self.bar = self.shown.enter_context(bar)
            return
        self.bar.set_description_str(text, refresh=False)
        self.bar.set_postfix_str(loss, refresh=False)
        self.bar.update(len(event.losses))


def _write_to_files(line: str) -> None:
    log.info(line, extra=on_terminal(""))


def epoch_line(event: EpochDone) -> str:
    """Return ``epoch=1 loss=0.2103 accuracy=… val_loss=… val_accuracy=… learning_rate=0.001 seconds=0.43``."""
    return " ".join(f"{name}={value}" for name, value in _values(event).items())


def epoch_row(event: EpochDone) -> str:
    """Return the same as a row of a table that fits 80 columns; above the first of some rows, the headings."""
    row = " ".join(value.rjust(COLUMN_WIDTHS[name]) for name, value in _values(event).items())
    heading = " ".join(name.rjust(width) for name, width in COLUMN_WIDTHS.items())
    return f"{heading}\n{row}" if event.epoch % HEADING_EPOCHS == 1 else row


def _values(event: EpochDone) -> dict[str, str]:
    texts = {"epoch": str(event.epoch)}
    for name, value in event.metrics.items():
        if name in COLUMN_WIDTHS:
            texts[name] = format(value, METRIC_FORMATS.get(name, ".4f"))
    return texts

"""Listeners that write a run's lines, or draw its bar, for a person and for the platform's expressions."""

import logging
import sys
from collections.abc import Callable
from contextlib import ExitStack

from trialmaker.platform.console import FILE_LOGGER, METRIC_LOGGER, on_terminal
from trialmaker.platform.progress_bar import progress_bar, status
from trialmaker.training.events import EpochDone, Event, StepsDone, StepsMean
from trialmaker.training.step_means import mean

IsRepeated = Callable[[Event], bool]

log, file_log = logging.getLogger(METRIC_LOGGER), logging.getLogger(FILE_LOGGER)
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


def is_never_repeated(_: Event) -> bool:
    """Return False: what a run that was never interrupted tells is always new."""
    return False


def console_listener(
    *,
    total_steps: int,
    epochs: int,
    is_trial: bool,
    is_repeated: IsRepeated = is_never_repeated,
    steps_done: int = 0,
) -> "Bar | Lines":
    """Return a live bar with a line an epoch, for a terminal; elsewhere plain lines.

    Above a study's table there are none on a terminal; the log file has them.

    Args:
        is_repeated: whether an event's line was printed before the run was interrupted; then the log file alone has it.
        steps_done: before this process.
    """
    is_terminal = sys.stdout.isatty() and sys.stderr.isatty()
    if is_terminal and not is_trial:
        return Bar(total_steps, epochs, is_repeated=is_repeated, steps_done=steps_done)
    return Lines(_write_to_files if is_terminal else log.info, is_repeated=is_repeated)


class Lines:
    """A listener that writes ``step`` and ``epoch`` lines, whose form the platform's regular expressions rely on.

    Args:
        write: gets each line but those that are repeated.
    """

    def __init__(self, write: Callable[[str], None], is_repeated: IsRepeated = is_never_repeated) -> None:
        self.write, self.is_repeated = write, is_repeated

    def __enter__(self) -> "Lines":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __call__(self, event: Event) -> None:
        """Write the event's line, if it has one."""
        if isinstance(event, EpochDone):
            line = epoch_line(event)
        elif isinstance(event, StepsMean):
            line = f"step {event.step}, loss {event.loss:.4f}, training accuracy {event.accuracy:.4f}"
        else:
            return
        if self.is_repeated(event):
            file_log.info(line)
        else:
            self.write(line)


class Bar:
    """A listener that draws a bar with rate and time left on standard error; a line an epoch on standard output.

    Neither rate nor time left counts the first call, which compiles, nor the first validation, which does too.
    """

    def __init__(
        self, total_steps: int, epochs: int, *, is_repeated: IsRepeated = is_never_repeated, steps_done: int = 0
    ) -> None:
        self.total_steps, self.epochs, self.is_repeated = total_steps, epochs, is_repeated
        self.steps_done = steps_done
        self.has_validated = False
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
            if self.is_repeated(event):
                file_log.info(epoch_line(event))
            else:
                log.info(epoch_line(event), extra=on_terminal(epoch_row(event)))
            if self.bar is not None and not self.has_validated:
                self.bar.unpause()
            self.has_validated = True

    def _move(self, event: StepsDone) -> None:
        text, loss = f"epoch {event.epoch}/{self.epochs}", f"loss {mean(event.losses):.4f}"
        if self.bar is None:
            self.shown.close()
            done = self.steps_done + len(event.losses)
            bar = progress_bar(text=text, total=self.total_steps, unit=" steps", initial=done, form=BAR)
            self.bar = self.shown.enter_context(bar)
            return
        self.bar.set_description_str(text, refresh=False)
        self.bar.set_postfix_str(loss, refresh=False)
        self.bar.update(len(event.losses))


def _write_to_files(line: str) -> None:
    log.info(line, extra=on_terminal(""))


def epoch_line(event: EpochDone) -> str:
    """Return ``epoch=1 loss=0.2103 accuracy=… val_loss=… val_accuracy=… learning_rate=0.001 seconds=0.43``.

    The line of a part of an epoch begins with ``part of``: no expression for whole epochs takes it for one.
    """
    line = " ".join(f"{name}={value}" for name, value in _values(event).items())
    return f"part of {line}" if event.stopped_by else line


def epoch_row(event: EpochDone) -> str:
    """Return the same as a row of a table that fits 80 columns; above the first of some rows, the headings.

    Above the row of a part of an epoch, a line says that it is one.
    """
    row = " ".join(value.rjust(COLUMN_WIDTHS[name]) for name, value in _values(event).items())
    heading = " ".join(name.rjust(width) for name, width in COLUMN_WIDTHS.items())
    if event.stopped_by:
        row = f"part of epoch {event.epoch}:\n{row}"
    return f"{heading}\n{row}" if event.epoch % HEADING_EPOCHS == 1 else row


def _values(event: EpochDone) -> dict[str, str]:
    texts = {"epoch": str(event.epoch)}
    for name, value in event.metrics.items():
        if name in COLUMN_WIDTHS:
            texts[name] = format(value, METRIC_FORMATS.get(name, ".4f"))
    return texts

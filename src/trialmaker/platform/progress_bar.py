"""Progress bars and a line of status on a terminal, which vanish when they are done."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from tqdm import tqdm

INTERRUPT_COLUMNS = 3  # left free behind a bar: the ^C that the terminal prints would begin a line
STATUS_SECONDS = 0.5  # between two drawings of a line of status


@cache
def terminal() -> TextIO | None:
    """Return a stream to the terminal that standard error is; None where it is none.

    It stays one while standard error goes to a file, as it does while TensorFlow is imported: the first call must come
    before.
    """
    if not os.isatty(2):
        return None
    return os.fdopen(os.dup(2), "w", encoding="utf-8", errors="replace", buffering=1)


def progress_bar(
    *, text: str, total: int | None, unit: str, delay_seconds: float = 0, initial: int = 0, form: str | None = None
) -> "tqdm[Any]":
    """Return a progress bar on standard error, which prints nothing unless that is a terminal.

    Args:
        text: the label before the bar.
        total: the number of units; None if it is not known.
        unit: ``B`` for bytes, else a word with a blank before it.
        delay_seconds: time before the bar appears, seconds; for work that is mostly quick.
        initial: units done before, which rate and time left do not count.
        form: tqdm's ``bar_format``; None for its own.
    """
    return _bar_class()(
        desc=text,
        total=total,
        unit=unit,
        unit_scale=unit == "B",  # kB, MB
        delay=delay_seconds,
        initial=initial,
        bar_format=form,
        file=terminal() or sys.stderr,
        disable=None,
        leave=False,
        dynamic_ncols=True,
    )


@cache
def _bar_class() -> Any:
    from tqdm import tqdm  # here, since most runs show no bar

    class Bar(tqdm):
        monitor_interval = 0  # else tqdm starts a thread that outlives the bar, on a terminal or not

        @property
        def format_dict(self) -> dict[str, Any]:
            layout = super().format_dict
            if layout["ncols"]:
                layout["ncols"] -= INTERRUPT_COLUMNS
            return layout

        def close(self) -> None:
            was_shown = not self.disable
            super().close()
            if was_shown:  # tqdm 4.70 leaves the cursor behind the blanks that it clears the line with
                self.fp.write("\r")

    return Bar


@contextmanager
def status(text: str, *, is_shown: bool = True) -> Iterator[None]:
    """Show on a terminal what goes on inside, and for how many seconds; elsewhere print nothing.

    Args:
        text: such as ``loading TensorFlow``.
        is_shown: False where something else is drawn there.
    """
    if terminal() is None or not is_shown:
        yield
        return
    has_ended = threading.Event()
    with progress_bar(text=text, total=None, unit="", form="{desc} {elapsed_s:.0f} s") as bar:

        def tick() -> None:
            while not has_ended.wait(STATUS_SECONDS):
                bar.refresh()

        thread = threading.Thread(target=tick, daemon=True)
        thread.start()
        try:
            yield
        finally:
            has_ended.set()
            thread.join()


@contextmanager
def above_bars() -> Iterator[None]:
    """Have lines that are printed inside appear above the bars that are there."""
    tqdm = sys.modules.get("tqdm")
    stream = terminal() if tqdm else None
    if tqdm is None or stream is None or not sys.stdout.isatty():
        yield
        return
    with tqdm.tqdm.external_write_mode(file=stream):
        yield

"""Progress bars on a terminal."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tqdm import tqdm


def progress_bar(*, text: str, total: int | None, unit: str, delay_seconds: float = 0) -> "tqdm[Any]":
    """Return a progress bar on standard error, which prints nothing unless that is a terminal.

    Args:
        text: the label before the bar.
        total: the number of units; None if it is not known.
        unit: ``B`` for bytes, else a word with a blank before it.
        delay_seconds: time before the bar appears, seconds; for work that is mostly quick.
    """
    from tqdm import tqdm  # here, since most runs show no bar

    class Bar(tqdm):
        monitor_interval = 0  # else tqdm starts a thread that outlives the bar, on a terminal or not

    scale = unit == "B"  # kB, MB
    return Bar(desc=text, total=total, unit=unit, unit_scale=scale, delay=delay_seconds, disable=None, leave=False)

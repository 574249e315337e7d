"""Tables for people: as many columns as fit a terminal's width."""

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPE_WIDTH = 120  # columns, where neither COLUMNS nor a terminal says how many there are
MIN_WIDTH = 40  # narrower terminals wrap the lines
GAP = 2  # blanks between columns
MAX_CELL_WIDTH = 24  # of a column that is not required
MAX_HEAD_WIDTH = 9  # of a heading on one line
END_LENGTH = 6  # characters of a name that is cut
SHARE_OF_NAME = 0.2  # of the width, which the shrinkable column keeps


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Args:
        head: its heading, on one line or two.
        cells: the text of each row.
        is_numeric: whether to align it to the right.
        is_required: whether it is shown in any case.
        is_shrinkable: whether its cells may be cut so that more columns fit.
    """

    head: str
    cells: Sequence[str]
    is_numeric: bool = False
    is_required: bool = False
    is_shrinkable: bool = False

    @property
    def width(self) -> int:
        """Return the width of its widest cell, in columns of the terminal."""
        width = max(map(cell_len, [*self.head.split("\n"), *self.cells]))
        return width if self.is_required else min(width, MAX_CELL_WIDTH)


def output_width() -> int:
    """Return the width for text on standard output.

    It is ``COLUMNS``, else that of the terminal, which behind a pipe such as ``| less`` is that of standard error,
    else 120.
    """
    if os.environ.get("COLUMNS", "").isdecimal() and int(os.environ["COLUMNS"]):
        return max(MIN_WIDTH, int(os.environ["COLUMNS"]))
    for descriptor in (1, 2):
        try:
            return max(MIN_WIDTH, os.get_terminal_size(descriptor).columns or PIPE_WIDTH)
        except OSError:  # no terminal, or closed
            continue
    return PIPE_WIDTH


def split_head(name: str) -> str:
    """Return a heading, a long one on two lines, divided at the ``_``, ``.`` or blank nearest to its middle."""
    places = [at + 1 for at, char in enumerate(name[:-1]) if char in "_. "]
    if len(name) <= MAX_HEAD_WIDTH or not places:
        return name
    middle = min(places, key=lambda at: abs(at - len(name) / 2))
    return f"{name[:middle].rstrip()}\n{name[middle:]}"


def fit(columns: Sequence[Column], width: int | None) -> tuple[str, int]:
    """Return a table whose lines are not longer than a width, and the number of columns that do not fit.

    Args:
        columns: required ones first; of the others, those that fit are shown, the first ones with preference.
        width: in columns of the terminal; None for all columns and cells in full.
    """
    if width is None:
        return _render([replace(one, is_required=True) for one in columns]), 0
    widths = [_least_width(one, width) for one in columns]
    shown = [at for at, one in enumerate(columns) if one.is_required]
    free = width - sum(widths[at] + GAP for at in shown) + GAP
    for at, one in enumerate(columns):
        if not one.is_required and GAP + widths[at] <= free:
            shown.append(at)
            free -= GAP + widths[at]
    for at in shown:
        growth = min(columns[at].width - widths[at], max(free, 0))
        widths[at], free = widths[at] + growth, free - growth
    shown.sort()
    text = _render([columns[at] for at in shown], [widths[at] for at in shown], width)
    return text, len(columns) - len(shown)


def shorten(text: str, width: int) -> str:
    """Return a text that fits a width, cut in its middle: names of trials differ at their end."""
    if cell_len(text) <= width:
        return text
    end = text[-END_LENGTH:]
    room = width - cell_len(f"…{end}")
    return f"{set_cell_size(text, room)}…{end}" if room > 0 else text


def _least_width(column: Column, width: int) -> int:
    return min(column.width, int(width * SHARE_OF_NAME)) if column.is_shrinkable else column.width


def _render(columns: Sequence[Column], widths: Sequence[int] | None = None, width: int | None = None) -> str:
    widths = widths or [one.width for one in columns]
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0))
    for one, own_width in zip(columns, widths, strict=True):
        table.add_column(
            Text(one.head),
            justify="right" if one.is_numeric else "left",
            width=own_width,
            no_wrap=True,
            overflow="ellipsis",
            vertical="bottom",
        )
    cut = [
        [shorten(cell, size) for cell in one.cells] if one.is_shrinkable else one.cells
        for one, size in zip(columns, widths, strict=True)
    ]
    for row in zip(*cut, strict=True):
        table.add_row(*map(Text, row))
    text = io.StringIO()
    total = width or sum(widths) + GAP * len(widths)
    Console(file=text, width=total, color_system=None, legacy_windows=False).print(table, crop=False)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())

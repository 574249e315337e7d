"""Reading of CSV tables with a row for each picture: its label and its pixels, as Kaggle publishes MNIST."""

import io
import math
from collections.abc import Sequence
from functools import partial
from itertools import chain

import numpy as np

from trialmaker.data.archives import InputFile, check_content, open_input
from trialmaker.data.files import MAX_BYTES
from trialmaker.errors import UserError, one_line

LABEL = "label"
MAX_LINE_CHARACTERS = 1_000_000
MIN_PIXELS = 16  # fewer are no picture: tables of other things have few columns


def read_pixel_table(file: InputFile) -> tuple[np.ndarray, np.ndarray | None]:
    """Read a table of square grey pictures.

    Args:
        file: CSV; the first line may name the columns, of which one is then ``label``; without names the first column
            is the label where the others make a square.

    Returns:
        images uint8 [N, S, S] in 0..255, and labels int64 [N]; None in place of labels for a table without them.

    Raises:
        UserError: the file cannot be read, or is no such table.
    """
    check_content(file, MAX_BYTES, is_packed=False)
    with open_input(file) as stream, io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace") as lines:
        first, names, has_names = _first_line(lines)
        start = lines.readline(MAX_LINE_CHARACTERS) if has_names else first
        if not start.strip():
            raise _table_error(file, "a row for each picture", "none")
        try:
            rest = iter(partial(lines.readline, MAX_LINE_CHARACTERS), "")  # a longer line has too many columns
            rows = np.loadtxt(chain([start], rest), np.uint8, delimiter=",", ndmin=2, quotechar='"', comments=None)
        except (ValueError, OverflowError) as error:
            raise _table_error(file, f"whole numbers of 0 to 255 and {len(names)} columns", one_line(error)) from None
    label_column = _label_column(file, names, has_names)
    if rows.shape[1] != len(names):
        raise _table_error(file, f"rows of {len(names)} columns", str(rows.shape[1]))
    pixels = rows if label_column is None else np.delete(rows, label_column, axis=1)
    images = pixels.reshape(len(rows), *2 * [math.isqrt(pixels.shape[1])])
    return images, None if label_column is None else rows[:, label_column].astype(np.int64)


def is_pixel_table(file: InputFile) -> bool:
    """Return whether a file's first line is that of a table of pictures."""
    try:
        with open_input(file) as stream, io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace") as lines:
            _, names, has_names = _first_line(lines)
        _label_column(file, names, has_names)
    except UserError:
        return False
    return True


def _first_line(lines: io.TextIOWrapper) -> tuple[str, list[str], bool]:
    """Return a table's first line, its entries, and whether they name the columns."""
    line = lines.readline(MAX_LINE_CHARACTERS)
    entries = [entry.strip(" \"'\r\n").lower() for entry in line.split(",")]
    return line, entries, not all(entry.isdecimal() for entry in entries)


def _label_column(file: InputFile, names: Sequence[str], has_names: bool) -> int | None:
    """Return the index of the label's column; None for a table of pixels alone."""
    if has_names:
        column = names.index(LABEL) if LABEL in names else None
    else:
        column = 0 if _is_square(len(names) - 1) else None
    pixels = len(names) - (column is not None)
    if not _is_square(pixels):
        raise _table_error(file, "a column label, and those of the pixels of a square picture", f"{pixels} of pixels")
    return column


def _is_square(count: int) -> bool:
    return count >= MIN_PIXELS and math.isqrt(count) ** 2 == count


def _table_error(file: InputFile, expected: str, actual: str) -> UserError:
    return UserError(f"{file}: expected {expected}, found {actual}")

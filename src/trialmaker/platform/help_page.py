"""The layout of help pages: paragraphs and lists of names with their meanings, as wide as the terminal."""

import shutil
import textwrap
from collections.abc import Iterable

MAX_COLUMNS = 118  # a longer line is hard to read
MAX_NAME_COLUMNS = 30  # a longer name has a line of its own


def columns() -> int:
    """Return how wide a page is."""
    return max(40, min(MAX_COLUMNS, shutil.get_terminal_size().columns - 2))


def filled(text: str) -> str:
    """Return paragraphs, which an empty line parts, filled to the page's width."""
    return "\n\n".join(textwrap.fill(one, columns(), break_on_hyphens=False) for one in text.strip().split("\n\n"))


def listed(entries: Iterable[tuple[str, str]]) -> str:
    """Return names in a column, with their meanings beside them."""
    entries = list(entries)
    width = min(MAX_NAME_COLUMNS, max(len(name) for name, _ in entries))
    return "\n".join(_entry(name, meaning, width) for name, meaning in entries)


def _entry(name: str, meaning: str, width: int) -> str:
    indent = " " * (2 + width + 2)
    text = textwrap.fill(meaning, columns(), initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
    return f"  {name}\n{text}" if len(name) > width else f"  {name:<{width}}  {text.lstrip()}"

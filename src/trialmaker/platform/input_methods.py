"""The characters that Chinese input methods and word processors type in place of ASCII's."""

import re
from collections.abc import Sequence

DASHES = "‐‑‒–—―−﹘﹣－"
WIDE_BLANKS = "\u3000\u00a0"  # a shell does not part words at them
FULL_WIDTH_MARKS = dict(zip("“”„‘’‚、﹐。｡﹦【】〔〕", "\"\"\"''',,..=[][]", strict=True))
PLAIN = {
    **{code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)},  # the full-width forms of ! to ~
    **str.maketrans(dict.fromkeys(DASHES, "-") | dict.fromkeys(WIDE_BLANKS, " ") | FULL_WIDTH_MARKS),
}
SHORT_FLAGS = frozenset({"m", "h", "c", "r", "p", "i", "cn", "cd", "cp", "sc"})  # Hydra's, of one dash


def plain(text: str) -> str:
    """Return a text of the same length, each such character replaced by the one of ASCII that is meant by it."""
    return text.translate(PLAIN)


def dash_count(word: str) -> int:
    """Return how many dashes of any kind a word begins with."""
    return len(word) - len(word.lstrip(f"-{DASHES}"))


def plain_dashes(word: str, name: str) -> str:
    """Return the dashes that a word begins with as they are meant before a name.

    A word processor makes one long dash of two, an input method a pair of long ones: how many there are says nothing.
    """
    typed = word[: dash_count(word)]
    return typed if typed.isascii() else "-" if name in SHORT_FLAGS else "--"


def plain_options(argv: Sequence[str]) -> tuple[list[str], str]:
    """Return a command line with each option's dashes and name in ASCII, and a line that says which; "" for none."""
    words = [_plain_option(word) for word in argv]
    changes = [f"{typed} as {meant}" for typed, meant in zip(argv, words, strict=True) if typed != meant]
    return words, f"read {', '.join(changes)}" if changes else ""


def _plain_option(word: str) -> str:
    start = dash_count(word)
    name, equals, _ = plain(word[start:]).partition("=")
    if word[:start].isascii() or not re.fullmatch("[A-Za-z][A-Za-z-]*", name):
        return word
    rest = word[start + len(name) + len(equals) :]
    return f"{'-' if len(name) == 1 else '--'}{name}{equals}{rest}"

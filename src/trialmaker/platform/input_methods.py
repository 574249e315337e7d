"""The characters that Chinese input methods and word processors type in place of ASCII's."""

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

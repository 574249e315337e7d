"""The fonts of the figures: the installed ones that have the characters of a text."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from matplotlib import font_manager
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.font_manager import FontProperties

LATIN = "DejaVu Sans"  # comes with matplotlib
# Upright fonts with Chinese, Japanese and Korean of Linux, Windows and macOS, by their files' names.
FALLBACKS = re.compile(
    r"NotoSans(Mono)?(CJK|SC)|SourceHanSans|wqy|msyh|simhei|PingFang|Hiragino|STHeiti|DroidSansFallback|arialuni", re.I
)
ODD_STYLES = re.compile(r"bold|italic|oblique|light|thin|black|condensed|mono|serif", re.I)
WITHOUT_OUTLINES = re.compile(r"emoji|lastresort", re.I)  # colours, or boxes in place of characters
IGNORED_CATEGORIES = ("C", "Zl", "Zp")  # control and format characters, surrogates, unassigned; line separators
VARIATION_SELECTORS = range(0xFE00, 0xFE10)
PIXELS_PER_INCH = 100
MAX_MEASURED_TEXTS = 5  # of the longest texts, one of which is the widest


def plain(text: str) -> str:
    """Return a text on one line, in Unicode's composed form, without characters that are not seen."""
    composed = unicodedata.normalize("NFC", " ".join(text.split()))
    return "".join(one for one in composed if not _is_unseen(one)).strip()


def display_width(text: str) -> int:
    """Return the width of a text in Latin characters, of which a Chinese one takes two."""
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text)


@dataclass(frozen=True)
class Fonts:
    """Families that matplotlib tries in order, and the characters that none of them has."""

    families: tuple[str, ...]
    missing: frozenset[str]

    def can_draw(self, text: str) -> bool:
        """Return whether a plain text has something to see, and a glyph for each character."""
        return bool(text) and not self.missing & set(text)

    def drawable(self, text: str) -> str:
        """Return a text as ``plain`` does, without the characters that no font has."""
        return " ".join("".join(one for one in plain(text) if one not in self.missing).split())

    def width(self, texts: Iterable[str], points: float) -> float:
        """Return the width of the widest text, in inches."""
        renderer = RendererAgg(1, 1, PIXELS_PER_INCH)
        font = FontProperties(family=list(self.families), size=points)
        longest = sorted(filter(None, texts), key=display_width)[
            -MAX_MEASURED_TEXTS:
        ]  # each takes a quarter of a millisecond
        widths = [renderer.get_text_width_height_descent(text, font, False)[0] for text in longest]
        return max(widths, default=0.0) / PIXELS_PER_INCH


def find_fonts(texts: Iterable[str], files: Sequence[str] | None = None) -> Fonts:
    """Return matplotlib's own font, and after it installed ones for the characters that it lacks.

    Args:
        files: the font files to look in; None for all that are installed.
    """
    families = [LATIN]
    missing = _without_glyph({one for text in texts for one in plain(text)}, font_manager.findfont(LATIN))
    if missing:  # only then: to look through hundreds of fonts takes a second
        # matplotlib's own list is a cache, which does not have what was installed later
        for path in sorted(font_manager.findSystemFonts() if files is None else files, key=_preference):
            if (left := _without_glyph(missing, path)) != missing:
                families.append(_family(path))
                missing = left
            if not missing:
                break
    return Fonts(tuple(families), frozenset(missing))


def _is_unseen(character: str) -> bool:
    return unicodedata.category(character).startswith(IGNORED_CATEGORIES) or ord(character) in VARIATION_SELECTORS


def _preference(path: str) -> tuple[bool, bool, str]:
    return not FALLBACKS.search(path), bool(ODD_STYLES.search(path)), path


def _without_glyph(characters: set[str], path: str) -> set[str]:
    """Return the characters that a font file lacks: all, if it cannot be read or has no outlines."""
    try:
        font = font_manager.get_font(path)
    except (OSError, RuntimeError):
        return characters
    if WITHOUT_OUTLINES.search(path) or not font.scalable:
        return characters
    return {one for one in characters if not one.isspace() and not font.get_char_index(ord(one))}


def _family(path: str) -> str:
    """Return the family of a font file, and make it known to matplotlib."""
    manager = font_manager.fontManager
    if not any(entry.fname == path for entry in manager.ttflist):
        manager.addfont(path)
    return str(next(entry.name for entry in manager.ttflist if entry.fname == path))

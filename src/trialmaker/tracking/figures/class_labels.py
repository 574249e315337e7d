"""The names of classes in figures: short, with a glyph for each character, and a legend for those that are not."""

import html
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from trialmaker.tracking.figures.fonts import Fonts, display_width, plain

MAX_LABEL_WIDTH = 24  # in Latin characters; a Chinese one counts as two
LEGEND_FILE = "pictures/classes.html"
LEGEND = """<!doctype html>
<html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
<style>:root{{color-scheme:light dark}}body{{font:16px sans-serif;margin:1.5em}}
td,th{{padding:.2em 1em .2em 0;text-align:left}}</style></head>
<body><h1>{title}</h1><table><tr><th>in the pictures / 图中<th>class / 类别</tr>
{rows}
</table></body></html>
"""


@dataclass(frozen=True)
class ClassLabels:
    """What stands for each class in figures.

    Args:
        names: the classes' names, as they are.
        texts: for each, what can be drawn in a small space; no two are equal.
        fonts: that draw them.
    """

    names: Sequence[str]
    texts: Sequence[str]
    fonts: Fonts

    @property
    def note(self) -> str:
        """Return where the names are that the labels only stand for; "" if each label is a name."""
        return f"the classes' whole names: {LEGEND_FILE}" if list(self.names) != list(self.texts) else ""

    def legend(self, title: str) -> str:
        """Return a page, HTML, that says which label is which class."""
        pairs = ((html.escape(text), html.escape(name)) for text, name in zip(self.texts, self.names, strict=True))
        rows = "\n".join(f"<tr><td>{text}<td>{name}</tr>" for text, name in pairs)
        return LEGEND.format(title=html.escape(plain(title)), rows=rows)


def class_labels(names: Sequence[str], fonts: Fonts) -> ClassLabels:
    """Return the labels: the names, cut to a width; # and the index before equal ones, or alone for want of a glyph."""
    drawable = [plain(name) if fonts.can_draw(plain(name)) else None for name in names]
    short = [name and shorten(name, MAX_LABEL_WIDTH) for name in drawable]
    uses = Counter(short)
    texts = []
    for index, (name, label) in enumerate(zip(drawable, short, strict=True)):
        if name is None or label is None:
            texts.append(f"#{index}")
        else:
            texts.append(label if uses[label] == 1 else f"#{index} {shorten(name, MAX_LABEL_WIDTH - 6)}")
    return ClassLabels(names, texts, fonts)


def shorten(text: str, width: int) -> str:
    """Return a text, cut to a width in Latin characters."""
    if display_width(text) <= width:
        return text
    while display_width(text) > width - 1:
        text = text[:-1]
    return f"{text.rstrip()}…"

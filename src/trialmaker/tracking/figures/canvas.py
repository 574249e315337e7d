"""A figure's frame: its size, its heading, and its PNG. Without a layout engine, which takes half of the time."""

import io
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trialmaker.tracking.figures.fonts import PIXELS_PER_INCH, Fonts

LINE_INCHES = 0.2  # of a heading's line
MARGIN_INCHES = 0.12
HEADING_POINTS = 9.0
GRAY = "#555555"


def settings(fonts: Fonts) -> dict[str, object]:
    """Return matplotlib's settings while figures are drawn and saved: names are data, not formulas."""
    return {"font.family": list(fonts.families), "font.size": HEADING_POINTS - 1, "text.parse_math": False}


class Canvas:
    """A figure whose axes are placed in inches from the top left corner.

    Args:
        width, height: inches, without the heading.
        heading: lines; the first is the title. A line that is wider than the figure makes it wider.
    """

    def __init__(self, width: float, height: float, heading: Sequence[str], fonts: Fonts) -> None:
        lines = [line for line in heading if line]
        self.top = LINE_INCHES * len(lines) + 2 * MARGIN_INCHES
        self.width = max(width, fonts.width(lines, HEADING_POINTS + 1) + 2 * MARGIN_INCHES)
        self.height = self.top + height
        self.figure = Figure(figsize=(self.width, self.height), dpi=PIXELS_PER_INCH)
        for number, line in enumerate(lines):
            y = 1 - (MARGIN_INCHES + number * LINE_INCHES) / self.height
            size, color = (HEADING_POINTS, GRAY) if number else (HEADING_POINTS + 1, "black")
            self.figure.text(MARGIN_INCHES / self.width, y, line, va="top", fontsize=size, color=color)

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Add axes, at a place in inches below the heading."""
        bottom = self.height - self.top - top - height
        box = (left / self.width, bottom / self.height, width / self.width, height / self.height)
        return self.figure.add_axes(box)

    def png(self) -> bytes:
        """Return the figure as PNG."""
        file = io.BytesIO()
        self.figure.savefig(file, format="png")
        return file.getvalue()

"""The figure of the confusion matrix, readable from 2 to 100 classes; of more, the most confused."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from trialmaker.tracking.figures.canvas import Canvas
from trialmaker.tracking.figures.class_labels import ClassLabels

MAX_CLASSES = 100
MAX_NUMBERS = 700
MIN_POINTS = 4.5  # of a number that can be read
MIN_DARKEST = 4  # mistakes in a cell that is drawn as dark as can be
MIN_CELL, MAX_CELL = 0.15, 0.8  # inches
FEW_INCHES, MANY_INCHES = 4.2, 14.0  # of the matrix, where there is room
GRID_COLOR = "#dddddd"
BETWEEN = 0.1  # inches


def confusion_figure(title: str, counts: np.ndarray, labels: ClassLabels) -> Canvas:
    """Draw how many test examples of each class (rows) were predicted as each class (columns)."""
    shown, texts = _most_confused(counts), labels.texts
    heading = [title, _summary(counts)]
    if len(shown) < len(texts):
        heading.append(f"the {len(shown)} of {len(texts)} classes that have part in the most mistakes")
        counts, texts = counts[np.ix_(shown, shown)], [texts[index] for index in shown]
    cell = _cell_inches(len(texts))
    points, size = min(8.0, 62 * cell), _number_points(counts, cell)
    heading += [_color_key(counts, has_numbers=size > 0), labels.note]
    name_width, side = labels.fonts.width(texts, points), cell * len(texts)
    below = name_width if name_width > cell - 0.06 else 0.0  # names that stand upright
    canvas = Canvas(name_width + side + 0.6, side + max(below, 0.15) + 0.5, heading, labels.fonts)
    axes = canvas.axes(name_width + 0.45, 0.05, side, side)
    _draw_cells(axes, counts)
    _draw_names(axes, texts, points, BETWEEN / cell, is_upright=below > 0)
    middle, last = (len(texts) - 1) / 2, len(texts) - 0.5
    horizontal, vertical = last + (max(below, 0.15) + 0.17) / cell, -0.5 - (name_width + 0.2) / cell
    axes.text(middle, horizontal, "predicted class", ha="center", va="top", fontsize=9)
    axes.text(vertical, middle, "true class", ha="right", va="center", fontsize=9, rotation=90)
    if size:
        _draw_numbers(axes, counts, size)
    return canvas


def _most_confused(counts: np.ndarray) -> np.ndarray:
    """Return the indices of at most MAX_CLASSES classes, of which or for which most mistakes are; int64, ascending."""
    mistakes = counts.sum(axis=0) + counts.sum(axis=1) - 2 * counts.diagonal()
    return np.sort(np.argsort(-mistakes, kind="stable")[:MAX_CLASSES])


def _summary(counts: np.ndarray) -> str:
    right, total = int(counts.trace()), int(counts.sum())
    return (
        f"test split: {right} of {total} right, accuracy {100 * right / max(1, total):.4g} %; mistakes: {total - right}"
    )


def _cell_inches(classes: int) -> float:
    return min(MAX_CELL, max(FEW_INCHES / classes, min(FEW_INCHES / 10, MANY_INCHES / classes), MIN_CELL))


def _errors(counts: np.ndarray) -> np.ndarray:
    return counts - np.diag(counts.diagonal())


def _color_key(counts: np.ndarray, *, has_numbers: bool) -> str:
    most = int(_errors(counts).max())
    if not most:
        return "on the diagonal: right answers"
    return f"on the diagonal: right answers; red: mistakes{'' if has_numbers else f', the darkest cell {most}'}"


def _draw_cells(axes: Axes, counts: np.ndarray) -> None:
    errors = np.ma.masked_equal(_errors(counts), 0)
    most = max(MIN_DARKEST, _errors(counts).max())
    axes.imshow(errors, cmap="Reds", vmin=0, vmax=most, aspect="auto", interpolation="nearest")
    axes.set_axis_off()
    last = len(counts) - 0.5
    edges = np.arange(len(counts) + 1) - 0.5
    axes.hlines(edges, -0.5, last, color=GRID_COLOR, linewidth=0.5, clip_on=False)
    axes.vlines(edges, -0.5, last, color=GRID_COLOR, linewidth=0.5, clip_on=False)


def _draw_names(axes: Axes, texts: Sequence[str], points: float, distance: float, *, is_upright: bool) -> None:
    """Write the names beside the rows and below the columns, as texts: an axis' ticks take three times as long."""
    left, bottom = -0.5 - distance, len(texts) - 0.5 + distance
    for index, text in enumerate(texts):
        axes.text(left, index, text, ha="right", va="center", fontsize=points)
        axes.text(index, bottom, text, ha="center", va="top", fontsize=points, rotation=90 if is_upright else 0)


def _number_points(counts: np.ndarray, cell: float) -> float:
    """Return the size of the numbers in the cells; 0 where they could not be read, or are too many."""
    points = min(8.5, 0.85 * cell * 72 / (0.64 * len(str(counts.max()))))
    return points if points >= MIN_POINTS and np.count_nonzero(counts) <= MAX_NUMBERS else 0.0


def _draw_numbers(axes: Axes, counts: np.ndarray, points: float) -> None:
    errors = _errors(counts)
    dark = 0.6 * max(MIN_DARKEST, errors.max())
    for row, column in zip(*counts.nonzero(), strict=True):
        color = "white" if errors[row, column] > dark else "black"
        text = str(counts[row, column])
        axes.text(column, row, text, ha="center", va="center_baseline", fontsize=points, color=color)

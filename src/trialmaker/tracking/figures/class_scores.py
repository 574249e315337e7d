"""The figure of precision, recall and F1 of each class."""

import numpy as np
from matplotlib.axes import Axes

from trialmaker.tracking.classification import ClassScores
from trialmaker.tracking.figures.canvas import GRAY, Canvas
from trialmaker.tracking.figures.class_labels import ClassLabels

MAX_RANKED = 40  # classes that are shown; all are in the table
ROW_INCHES = 0.2
MARKERS = {"precision": (">", "#1f77b4", 6), "recall": ("<", "#d95f02", 6), "f1": ("o", "black", 4)}


def class_scores(title: str, scores: ClassScores, labels: ClassLabels) -> Canvas:
    """Draw precision, recall and F1 of each class, the lowest F1 first."""
    shown = np.argsort(scores.f1, kind="stable")[:MAX_RANKED]
    names = [f"{labels.texts[index]}  ({scores.support[index]})" for index in shown]
    name_width, height = labels.fonts.width(names, 8), ROW_INCHES * len(names) + 0.1
    canvas = Canvas(name_width + 5.3, height + 0.65, _heading(title, scores, len(names), labels), labels.fonts)
    axes = canvas.axes(name_width + 0.3, 0.25, canvas.width - name_width - 0.7, height)
    rows = np.arange(len(names))
    axes.hlines(rows, scores.precision[shown], scores.recall[shown], color=GRAY, linewidth=1)
    for name, (marker, color, size) in MARKERS.items():
        values = getattr(scores, name)[shown]
        label = name.replace("f1", "F1")
        axes.plot(values, rows, marker, color=color, markersize=size, label=label, clip_on=False)
    low = min(float(getattr(scores, name)[shown].min()) for name in MARKERS)
    axes.set(xlim=(low - 0.06 * (1 - low) if low < 1 else 0.99, 1), ylim=(len(names) - 0.5, -0.5))
    for row, text in enumerate(names):
        axes.text(-0.02, row, text, ha="right", va="center", transform=axes.get_yaxis_transform())
    _style(axes)
    return canvas


def _style(axes: Axes) -> None:
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.4g} %")
    axes.yaxis.set_visible(False)
    axes.spines[["left", "top", "right"]].set_visible(False)
    axes.grid(axis="x", alpha=0.3)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False, borderaxespad=0)


def _heading(title: str, scores: ClassScores, shown: int, labels: ClassLabels) -> list[str]:
    means = ", ".join(f"{name} {100 * value:.4g} %" for name, value in scores.macro().items()).replace("f1", "F1")
    which = "all classes" if shown == len(labels.texts) else f"the {shown} lowest of {len(labels.texts)} classes"
    return [
        title,
        f"test split, means over classes: {means}",
        f"{which}, by F1; in brackets: test examples of the class; all numbers: metrics/per_class.csv",
        labels.note,
    ]

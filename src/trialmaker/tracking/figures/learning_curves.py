"""The figure of the learning curves: loss, accuracy and learning rate by epoch."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from trialmaker.tracking.figures.canvas import GRAY, Canvas
from trialmaker.tracking.figures.fonts import Fonts
from trialmaker.tracking.figures.log_scale import log_scale
from trialmaker.tracking.messages import Metrics

WIDTH, HEIGHT, GAP = 3.6, 2.9, 0.75  # of a panel, and left of it for its labels; inches
RATE_HEIGHT = 0.7
CURVE_COLORS = {"training": "#1f77b4", "validation": "#d95f02"}
PANELS = {"loss": "loss (log scale)", "accuracy": "accuracy (log scale of 1 − accuracy)"}
MAX_MARKED_EPOCHS = 30  # more points are a line


def learning_curves(title: str, history: Sequence[Metrics], best_epoch: int, fonts: Fonts) -> Canvas:
    """Draw loss and accuracy by epoch, training beside validation, with the best epoch and the learning rate."""
    epochs = [entry for entry in history if "val_loss" in entry.values]
    best = next(entry for entry in epochs if entry.step == best_epoch)
    canvas = Canvas(2 * (GAP + WIDTH) + 0.15, HEIGHT + RATE_HEIGHT + 0.95, [title, _best_line(best)], fonts)
    for place, (name, heading) in enumerate(PANELS.items()):
        panel = canvas.axes(GAP + place * (GAP + WIDTH), 0.2, WIDTH, HEIGHT)
        panel.set_title(heading, fontsize=9)
        _draw_curves(panel, name, epochs, best)
        panel.legend(loc="upper right" if name == "loss" else "lower right", edgecolor="none")
    _draw_rate(canvas.axes(GAP, HEIGHT + 0.55, 2 * WIDTH + GAP, RATE_HEIGHT), epochs, best)
    return canvas


def _draw_curves(axes: Axes, name: str, epochs: Sequence[Metrics], best: Metrics) -> None:
    curves = {"training": [e.values[name] for e in epochs], "validation": [e.values[f"val_{name}"] for e in epochs]}
    values = [value for curve in curves.values() for value in curve]
    scale = log_scale(values, of_accuracy=name == "accuracy")
    for label, curve in curves.items():
        axes.plot(
            _steps(epochs), scale.positions(curve), color=CURVE_COLORS[label], marker=_marker(epochs), label=label
        )
    place = scale.positions([best.values[f"val_{name}"]])
    axes.plot([best.step], place, "o", markersize=8, fillstyle="none", color=CURVE_COLORS["validation"], clip_on=False)
    positions = scale.positions(values)
    padding = max(0.06 * float(np.ptp(positions)), 0.02)
    low, high = float(positions.min()) - padding, float(positions.max()) + padding
    ticks = {position: label for position, label in scale.ticks(values).items() if low <= position <= high}
    axes.set_yticks(list(ticks), list(ticks.values()))
    axes.set_ylim(low, high)
    axes.grid(alpha=0.3)
    _style_epochs(axes, epochs, best)


def _draw_rate(axes: Axes, epochs: Sequence[Metrics], best: Metrics) -> None:
    rates = [entry.values["learning_rate"] for entry in epochs]
    axes.plot(_steps(epochs), rates, color=GRAY, marker=_marker(epochs))
    axes.set(xlabel="epoch", ylabel="learning rate", ylim=(0, 1.15 * max(rates) or 1))
    axes.yaxis.set_major_locator(MaxNLocator(3))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    _style_epochs(axes, epochs, best)


def _style_epochs(axes: Axes, epochs: Sequence[Metrics], best: Metrics) -> None:
    """Give the axis of epochs whole numbers, and a line at the best."""
    axes.set_xlim(epochs[0].step - 0.5, epochs[-1].step + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    axes.axvline(best.step, color=GRAY, linestyle="--", linewidth=0.8, zorder=0)


def _steps(epochs: Sequence[Metrics]) -> list[int]:
    return [entry.step for entry in epochs]


def _marker(epochs: Sequence[Metrics]) -> str:
    return "." if len(epochs) <= MAX_MARKED_EPOCHS else ""


def _best_line(best: Metrics) -> str:
    accuracy, loss = best.values["val_accuracy"], best.values["val_loss"]
    return f"best epoch {best.step} (dashed line): validation accuracy {100 * accuracy:.4g} %, loss {loss:.4g}"

"""The figures of a run, drawn by matplotlib."""

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trialmaker.tracking.messages import Metrics, Predictions, surest_errors

MAX_NUMBERED_CLASSES = 20  # above that, a confusion matrix's cells are too small for numbers
ERROR_COLUMNS = 8


def run_figures(history: Sequence[Metrics], predictions: Predictions) -> Iterator[tuple[str, Figure]]:
    """Yield (name, figure) of each figure of a run."""
    yield "learning_curves", learning_curves(history)
    yield "confusion_matrix", confusion_matrix(predictions)
    yield "confident_errors", confident_errors(predictions)


def learning_curves(history: Sequence[Metrics]) -> Figure:
    """Draw loss and accuracy by epoch, training beside validation."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    epochs = [entry for entry in history if "val_loss" in entry.values]
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for key, label in ((name, "training"), (f"val_{name}", "validation")):
            axes.plot([e.step for e in epochs], [e.values[key] for e in epochs], marker=".", label=label)
        axes.set(xlabel="epoch", title=name)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend()
    return figure


def confusion_matrix(predictions: Predictions) -> Figure:
    """Draw how many test examples of each class (rows) were predicted as each class (columns)."""
    names, classes = predictions.class_names, len(predictions.class_names)
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (predictions.labels, predictions.probabilities.argmax(axis=1)), 1)
    side = 3 + 0.42 * min(classes, 40)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    errors = counts - np.diag(counts.diagonal())
    axes.imshow(errors, cmap="Reds", vmax=max(1, errors.max()))
    axes.set_xticks(range(classes), names, rotation=90 if max(map(len, names)) > 3 else 0, parse_math=False)
    axes.set_yticks(range(classes), names, parse_math=False)
    accuracy = counts.trace() / max(1, counts.sum())
    axes.set(xlabel="predicted", ylabel="true", title=f"test accuracy {accuracy:.4f}")
    if classes <= MAX_NUMBERED_CLASSES:
        _write_counts(axes, counts, errors)
    return figure


def confident_errors(predictions: Predictions) -> Figure:
    """Draw the wrong predictions of the highest probability, each with the true and the predicted class."""
    answers = predictions.probabilities.argmax(axis=1)
    errors = np.count_nonzero(answers != predictions.labels)
    indices = surest_errors(predictions.labels, predictions.probabilities)
    rows = max(1, -(-len(indices) // ERROR_COLUMNS))
    figure = Figure(figsize=(1.35 * ERROR_COLUMNS, 1.7 * rows + 0.4), layout="constrained")
    share = f"{errors} wrong answers among {len(predictions.labels)}"
    figure.suptitle(f"surest of {share}: true → predicted, probability")
    names, cells = predictions.class_names, figure.subplots(rows, ERROR_COLUMNS, squeeze=False).ravel()
    for axes in cells:
        axes.axis("off")
    for axes, index in zip(cells, indices, strict=False):
        truth, answer = names[predictions.labels[index]], names[answers[index]]
        axes.imshow(predictions.images[index].squeeze(), cmap="gray", vmin=0, vmax=255)
        title = f"{truth} → {answer}  {predictions.probabilities[index].max():.2f}"
        axes.set_title(title, fontsize=8, parse_math=False)
    return figure


def _write_counts(axes: Axes, counts: np.ndarray, errors: np.ndarray) -> None:
    for row, column in zip(*counts.nonzero(), strict=True):
        weight = "bold" if row == column else "normal"
        is_dark = row != column and errors[row, column] > 0.6 * errors.max()
        color = "white" if is_dark else "black"
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", fontsize=8, weight=weight,
                  color=color)  # fmt: skip

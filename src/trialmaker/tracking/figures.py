"""Pictures of a run, as matplotlib figures."""

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.figure import Figure

from trialmaker.tracking.messages import Metrics, Tested

MOST_ERRORS = 24
MOST_NUMBERED_CLASSES = 20  # above that, a confusion matrix's cells are too small for numbers


def figures(history: Sequence[Metrics], tested: Tested) -> Iterator[tuple[str, Figure]]:
    """(name, figure) of each picture."""
    yield "learning_curves", learning_curves(history)
    yield "confusion_matrix", confusion_matrix(tested)
    yield "confident_errors", confident_errors(tested)


def learning_curves(history: Sequence[Metrics]) -> Figure:
    """Loss and accuracy by epoch, training beside validation."""
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


def confusion_matrix(tested: Tested) -> Figure:
    """How many test examples of each class (rows) were taken for each class (columns)."""
    names, classes = tested.class_names, len(tested.class_names)
    counts = np.zeros((classes, classes), np.int64)
    answers = tested.probabilities.argmax(axis=1)
    np.add.at(counts, (tested.labels, answers), 1)
    side = 3 + 0.42 * min(classes, 40)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    wrong = counts - np.diag(counts.diagonal())
    axes.imshow(wrong, cmap="Reds", vmax=max(1, wrong.max()))
    axes.set_xticks(range(classes), names, rotation=90 if max(map(len, names)) > 3 else 0, parse_math=False)
    axes.set_yticks(range(classes), names, parse_math=False)
    accuracy = counts.trace() / max(1, counts.sum())
    axes.set(xlabel="predicted", ylabel="true", title=f"test accuracy {accuracy:.4f}")
    if classes <= MOST_NUMBERED_CLASSES:
        for row, column in zip(*counts.nonzero(), strict=True):
            bold = "bold" if row == column else "normal"
            dark = wrong[row, column] > 0.6 * wrong.max()
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", fontsize=8, weight=bold,
                      color="white" if dark and row != column else "black")  # fmt: skip
    return figure


def confident_errors(tested: Tested) -> Figure:
    """The wrong answers that the model was surest of, each with the true label and the answer."""
    answers = tested.probabilities.argmax(axis=1)
    wrong = np.flatnonzero(answers != tested.labels)
    surest = wrong[np.argsort(-tested.probabilities[wrong].max(axis=1), kind="stable")][:MOST_ERRORS]
    columns = 8
    rows = max(1, -(-len(surest) // columns))
    figure = Figure(figsize=(1.35 * columns, 1.7 * rows + 0.4), layout="constrained")
    figure.suptitle(f"surest of {len(wrong)} wrong answers among {len(tested.labels)}: true → predicted, probability")
    for axes, index in zip(figure.subplots(rows, columns, squeeze=False).flat, [*surest, *[None] * columns * rows]):  # noqa: B905
        axes.axis("off")
        if index is not None:
            truth, answer = tested.class_names[tested.labels[index]], tested.class_names[answers[index]]
            axes.imshow(tested.images[index].squeeze(), cmap="gray", vmin=0, vmax=255)
            title = f"{truth} → {answer}  {tested.probabilities[index].max():.2f}"
            axes.set_title(title, fontsize=8, parse_math=False)
    return figure

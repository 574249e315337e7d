"""The figure of the mistakes that the model was surest of."""

import numpy as np

from trialmaker.tracking.figures.canvas import GRAY, MARGIN_INCHES, Canvas
from trialmaker.tracking.figures.class_labels import ClassLabels, shorten
from trialmaker.tracking.messages import Predictions, surest_errors

TILE_INCHES, GAP_INCHES, TEXT_INCHES = 1.4, 0.12, 0.6  # a picture's width, and what is beside and below it
LINE_OF_TEXT = 0.15
TILE_COLUMNS = 6
TEXT_WIDTH = 18  # Latin characters
RED = "#b2182b"


def confident_errors(title: str, predictions: Predictions, labels: ClassLabels) -> Canvas:
    """Draw the wrong predictions of the highest probability; there must be one."""
    indices = surest_errors(predictions.labels, predictions.probabilities)
    pictures = [np.asarray(predictions.images[index]) for index in indices]
    tile_height = TILE_INCHES * pictures[0].shape[0] / pictures[0].shape[1]
    across, down = TILE_INCHES + GAP_INCHES, tile_height + TEXT_INCHES
    columns, rows = min(TILE_COLUMNS, len(indices)), -(-len(indices) // TILE_COLUMNS)
    heading = _heading(title, predictions, len(indices), labels)
    canvas = Canvas(columns * across + 2 * MARGIN_INCHES, rows * down, heading, labels.fonts)
    axes = canvas.axes(0, 0, canvas.width, rows * down)  # one for all: each axes takes milliseconds
    axes.set_axis_off()
    for place, (index, picture) in enumerate(zip(indices, pictures, strict=True)):
        left, top = MARGIN_INCHES + place % columns * across, place // columns * down
        bottom = top + tile_height
        pixels = picture[..., 0] if picture.shape[-1] == 1 else picture
        extent = (left, left + TILE_INCHES, bottom, top)
        axes.imshow(pixels, "gray", vmin=0, vmax=255, aspect="auto", extent=extent, interpolation="nearest")
        for line, (text, color) in enumerate(_texts(index, predictions, labels)):
            axes.text(left, bottom + 0.04 + LINE_OF_TEXT * line, text, va="top", color=color)
    axes.set(xlim=(0, canvas.width), ylim=(rows * down, 0))
    return canvas


def _heading(title: str, predictions: Predictions, shown: int, labels: ClassLabels) -> list[str]:
    count = int(np.count_nonzero(predictions.probabilities.argmax(axis=1) != predictions.labels))
    which = f"the {shown} most confident of {count}" if count > shown else f"all {count}"
    return [
        title,
        f"mistakes on the test split: {which}, among {len(predictions.labels)} pictures",
        "below each picture: its class → the class that the model predicted, and with which probability",
        labels.note,
    ]


def _texts(index: int, predictions: Predictions, labels: ClassLabels) -> list[tuple[str, str]]:
    """Return the lines below a picture, with their colors."""
    probabilities = predictions.probabilities[index]
    truth, answer = labels.texts[predictions.labels[index]], labels.texts[probabilities.argmax()]
    return [
        (shorten(truth, TEXT_WIDTH), "black"),
        (f"→ {shorten(answer, TEXT_WIDTH - 2)}", RED),
        (percent(float(probabilities.max())), GRAY),
    ]


def percent(probability: float) -> str:
    """Return a probability in percent; 100 % only if it is 1."""
    return ">99.9 %" if 0.9995 <= probability < 1 else f"{100 * probability:.3g} %"

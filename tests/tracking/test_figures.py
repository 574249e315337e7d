"""The figures of a run."""

import io

import numpy as np

from trialmaker.tracking import figures
from trialmaker.tracking.messages import Predictions, surest_errors


def test_class_names_are_no_formulas() -> None:
    names = ("$^$", r"$\frac$")
    predictions = Predictions(
        np.zeros((2, 4, 4, 1), np.uint8), np.array([0, 1]), np.eye(2, dtype=np.float32)[::-1], names
    )
    for figure in (figures.confusion_matrix(predictions), figures.confident_errors(predictions)):
        figure.savefig(io.BytesIO())


def test_the_surest_errors_are_enough_pictures() -> None:
    """Of 60 answers, 30 wrong ones: the 24 surest are drawn, and no other picture is needed."""
    labels = np.arange(60) % 2
    probabilities = np.stack([np.linspace(0.99, 0.51, 60), np.linspace(0.01, 0.49, 60)], axis=1).astype(np.float32)
    indices = surest_errors(labels, probabilities)
    assert indices == list(range(1, 48, 2))
    images = {index: np.zeros((4, 4, 3), np.uint8) for index in indices}
    figures.confident_errors(Predictions(images, labels, probabilities, ("a", "b"))).savefig(io.BytesIO())

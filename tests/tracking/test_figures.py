"""The figures of a run."""

import io

import numpy as np

from trialmaker.tracking import figures
from trialmaker.tracking.messages import Predictions


def test_class_names_are_no_formulas() -> None:
    names = ("$^$", r"$\frac$")
    predictions = Predictions(
        np.zeros((2, 4, 4, 1), np.uint8), np.array([0, 1]), np.eye(2, dtype=np.float32)[::-1], names
    )
    for figure in (figures.confusion_matrix(predictions), figures.confident_errors(predictions)):
        figure.savefig(io.BytesIO())

"""The scores of the test split's classes for MLflow: a table of all, and their means."""

from collections.abc import Sequence

from trialmaker.platform.csv_cells import csv_text
from trialmaker.tracking.classification import ClassScores

TABLE_FILE = "metrics/per_class.csv"
DECIMALS = 6


def score_table(names: Sequence[str], scores: ClassScores) -> str:
    """Return a table as CSV: a row for each class, in the classes' order."""
    columns = (scores.support, scores.predicted, scores.precision, scores.recall, scores.f1)
    rows = zip(range(len(names)), names, *(column.round(DECIMALS).tolist() for column in columns), strict=True)
    header = ("index", "class", "support", "predicted", "precision", "recall", "f1")
    return csv_text([header, *rows])


def score_metrics(scores: ClassScores) -> dict[str, float]:
    """Return the means over the classes: ``test_macro_precision``, ``test_macro_recall``, ``test_macro_f1``.

    Classes have no metrics of their own: MLflow draws a chart of one point for each, above those of the epochs.
    """
    return {f"test_macro_{name}": value for name, value in scores.macro().items()}

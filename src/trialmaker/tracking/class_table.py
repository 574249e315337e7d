"""The scores of the test split's classes for MLflow: a table for all classes, metrics for some."""

import csv
import io
import re
from collections.abc import Sequence

from trialmaker.tracking.classification import ClassScores

TABLE_FILE = "metrics/per_class.csv"
# With more, MLflow's pages, which draw a chart and offer a column for each metric, would show little else.
MAX_CLASSES_WITH_METRICS = 20
MAX_NAME_LENGTH = 100
DECIMALS = 6
FORBIDDEN = re.compile(r"[^\w .-]")  # what MLflow takes in a metric's name, without the separators : and /


def score_table(names: Sequence[str], scores: ClassScores) -> str:
    """Return a table as CSV: a row for each class, in the classes' order."""
    text = io.StringIO()
    columns = (scores.support, scores.predicted, scores.precision, scores.recall, scores.f1)
    rows = zip(range(len(names)), names, *(column.round(DECIMALS).tolist() for column in columns), strict=True)
    header = ("index", "class", "support", "predicted", "precision", "recall", "f1")
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue()


def score_metrics(names: Sequence[str], scores: ClassScores) -> dict[str, float]:
    """Return the means over the classes, ``test_macro_f1`` and so on, and where they are few, each class's F1.

    That is ``test_f1/<class>``: F1 sums up precision and recall, which are in the table.
    """
    metrics = {f"test_macro_{name}": value for name, value in scores.macro().items()}
    if len(names) <= MAX_CLASSES_WITH_METRICS:
        metrics |= {f"test_f1/{name}": float(f1) for name, f1 in zip(_metric_names(names), scores.f1, strict=True)}
    return metrics


def _metric_names(names: Sequence[str]) -> list[str]:
    """Return a name of its own for each class; numbers where the classes' names are none that MLflow can tell apart."""
    safe = [FORBIDDEN.sub("_", name).strip(" .")[:MAX_NAME_LENGTH].strip(" .") for name in names]
    is_usable = all(safe) and len({name.casefold() for name in safe}) == len(names)  # MySQL knows no case
    return safe if is_usable else [f"{index:02}" for index in range(len(names))]

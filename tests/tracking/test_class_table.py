"""The scores of classes for MLflow."""

import numpy as np
import pytest

from trialmaker.tracking.class_table import score_metrics, score_table
from trialmaker.tracking.classification import per_class

SCORES = per_class(np.array([[3, 1], [0, 4]]))


def test_the_table_has_a_row_for_each_class() -> None:
    assert score_table(["猫", 'a "dog", big'], SCORES) == (
        "index,class,support,predicted,precision,recall,f1\n"
        "0,猫,4,3,1.0,0.75,0.857143\n"
        '1,"a ""dog"", big",4,5,0.8,1.0,0.888889\n'
    )


def test_means_over_classes_are_metrics() -> None:
    metrics = score_metrics(SCORES)
    assert metrics == pytest.approx(
        {"test_macro_precision": 0.9, "test_macro_recall": 0.875, "test_macro_f1": (6 / 7 + 8 / 9) / 2}
    )

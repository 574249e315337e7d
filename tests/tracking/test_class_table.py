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


@pytest.mark.parametrize(
    ("names", "metric_names"),
    [
        (["0", "猫"], ["0", "猫"]),
        (["a/b:c", "x=1"], ["a_b_c", "x_1"]),
        (["a/b", "a_b"], ["00", "01"]),
        (["a", "A"], ["00", "01"]),
        (["..", "b"], ["00", "01"]),
    ],
)
def test_each_of_a_few_classes_has_a_metric_of_its_own(names: list[str], metric_names: list[str]) -> None:
    metrics = score_metrics(names, SCORES)
    assert list(metrics) == [
        *(f"test_macro_{name}" for name in ("precision", "recall", "f1")),
        *(f"test_f1/{name}" for name in metric_names),
    ]
    assert metrics["test_macro_precision"] == pytest.approx(0.9) and metrics[f"test_f1/{metric_names[1]}"] == 8 / 9


def test_many_classes_have_means_alone() -> None:
    names = [str(index) for index in range(21)]
    assert len(score_metrics(names, per_class(np.eye(21, dtype=np.int64)))) == 3

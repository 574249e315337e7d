"""The scores of each class, beside scikit-learn's."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn import metrics

from trialmaker.tracking.classification import confusion_matrix, per_class


def test_rows_are_true_classes_and_columns_are_predicted_ones() -> None:
    confusion = confusion_matrix(np.array([0, 0, 2], np.int32), np.array([1, 0, 2]), 4)
    assert confusion.dtype == np.int64
    assert confusion.tolist() == [[1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize("num_classes", [2, 7, 1000])
def test_scores_are_those_of_scikit_learn(num_classes: int) -> None:
    """Some classes have no examples, some are never predicted, some are neither: 0/0 is 0, and no warning."""
    generator = np.random.default_rng(num_classes)
    labels, predicted = generator.integers(0, num_classes, 300), generator.integers(0, max(2, num_classes - 2), 300)
    confusion = confusion_matrix(labels.astype(np.uint8 if num_classes < 256 else np.int32), predicted, num_classes)
    scores, every = per_class(confusion), list(range(num_classes))
    np.testing.assert_array_equal(confusion, metrics.confusion_matrix(labels, predicted, labels=every))
    expected = metrics.precision_recall_fscore_support(labels, predicted, labels=every, zero_division=0)
    for one, other in zip((scores.precision, scores.recall, scores.f1, scores.support), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)
    averages = metrics.precision_recall_fscore_support(labels, predicted, average="macro", zero_division=0)
    np.testing.assert_allclose(list(scores.macro().values()), averages[:3], rtol=1e-12)


def test_scores_of_no_examples_are_zero() -> None:
    scores = per_class(confusion_matrix(np.array([], np.int32), np.array([], np.int64), 3))
    assert scores.f1.tolist() == [0, 0, 0] and scores.macro() == {"precision": 0, "recall": 0, "f1": 0}


def test_the_module_imports_numpy_alone() -> None:
    code = (
        "import sys, trialmaker.tracking.classification; print({'mlflow', 'matplotlib', 'tensorflow'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"

"""What a classifier's predictions say, class by class: confusion matrix, precision, recall, F1. NumPy alone."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ClassScores:
    """The scores of each class, each an array [K]. 0/0 is 0, as in scikit-learn.

    Args:
        precision: float64; of the examples predicted as the class, the share that is of it.
        recall: float64; of the examples of the class, the share that is predicted as it.
        f1: float64; the harmonic mean of precision and recall.
        support: int64; the number of examples of the class.
        predicted: int64; the number of examples predicted as the class.
    """

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    support: np.ndarray
    predicted: np.ndarray

    def macro(self) -> dict[str, float]:
        """Return the means of precision, recall and f1 over the classes that are among the labels or predictions."""
        present = (self.support + self.predicted) > 0
        names = ("precision", "recall", "f1")
        return {name: float(getattr(self, name)[present].mean()) if present.any() else 0.0 for name in names}


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, num_classes: int) -> np.ndarray:
    """Return int64 [K, K]: how many examples of each class (rows) were predicted as each class (columns).

    Args:
        labels: integers [N] in [0, K), the true classes; predicted: the same of the predictions.
    """
    indices = labels.astype(np.int64) * num_classes + predicted
    return np.bincount(indices, minlength=num_classes**2).reshape(num_classes, num_classes).astype(np.int64)


def per_class(confusion: np.ndarray) -> ClassScores:
    """Return the scores of each class of a confusion matrix, int64 [K, K] with a row for each true class."""
    correct, support, predicted = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    return ClassScores(
        precision=_share(correct, predicted),
        recall=_share(correct, support),
        f1=_share(2 * correct, predicted + support),
        support=support,
        predicted=predicted,
    )


def _share(parts: np.ndarray, wholes: np.ndarray) -> np.ndarray:
    shares: np.ndarray = np.divide(parts, wholes, out=np.zeros(len(parts)), where=wholes > 0)
    return shares

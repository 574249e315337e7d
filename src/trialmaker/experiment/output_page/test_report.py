"""What the page shows of the test split: the confusion matrix, each class, the surest mistakes."""

import base64
import io
from dataclasses import dataclass

import numpy as np

from trialmaker.data.splits import Split
from trialmaker.tracking.classification import ClassScores, confusion_matrix, per_class
from trialmaker.tracking.messages import surest_errors

MAX_MATRIX_CLASSES = 20  # more columns do not fit a page
MAX_ROWS = 20
MAX_PIXELS = 96  # of a picture's longer side


@dataclass(frozen=True)
class Mistake:
    """A wrong answer.

    Args:
        source: the picture, as the address of an image that holds it.
        truth: the true class's name.
        answer: the predicted one's.
        probability: that the model gave its answer, 0 to 1.
    """

    source: str
    truth: str
    answer: str
    probability: float


@dataclass(frozen=True)
class TestReport:
    """The best weights' answers on the test split.

    Args:
        class_names: K names.
        confusion: int64 [K, K], a row for each true class.
        mistakes: the surest, the surest first.
    """

    __test__ = False  # pytest would take it for a test

    class_names: tuple[str, ...]
    confusion: np.ndarray
    mistakes: list[Mistake]

    @property
    def errors(self) -> int:
        """Return how many answers are wrong."""
        return int(self.confusion.sum() - self.confusion.trace())

    @property
    def images(self) -> int:
        """Return how many images there are."""
        return int(self.confusion.sum())

    @property
    def matrix_fits(self) -> bool:
        """Return whether the matrix has so few columns that a page can show it."""
        return len(self.class_names) <= MAX_MATRIX_CLASSES

    def shade(self, row: int, column: int) -> float:
        """Return a cell's share of the largest one of its kind, right or wrong; 0 to 1."""
        is_right = np.eye(len(self.class_names), dtype=bool)
        alike = self.confusion[is_right if row == column else ~is_right]
        return float(self.confusion[row, column] / max(1, alike.max()))

    def rows(self) -> list[tuple[str, float, float, float, int]]:
        """Return (class, precision, recall, F1, images); of many classes those with the lowest F1."""
        scores: ClassScores = per_class(self.confusion)
        order = np.argsort(scores.f1, kind="stable")[:MAX_ROWS] if len(self.class_names) > MAX_ROWS else None
        indices = range(len(self.class_names)) if order is None else order
        columns = (scores.precision, scores.recall, scores.f1)
        return [
            (self.class_names[at], *(float(column[at]) for column in columns), int(scores.support[at]))  # type: ignore[misc]
            for at in indices
        ]

    def confused(self) -> list[tuple[str, str, int]]:
        """Return (true class, predicted class, images) of the most frequent mistakes."""
        wrong = self.confusion - np.diag(self.confusion.diagonal())
        order = np.argsort(-wrong, axis=None, kind="stable")[:MAX_ROWS]
        pairs = [np.unravel_index(at, wrong.shape) for at in order]
        return [(self.class_names[t], self.class_names[p], int(wrong[t, p])) for t, p in pairs if wrong[t, p]]


def report_on(split: Split, probabilities: np.ndarray, class_names: tuple[str, ...]) -> TestReport:
    """Return the report of float32 [N, K] probabilities of a split's classes."""
    answers = probabilities.argmax(axis=1)
    mistakes = [
        Mistake(
            _address(split.images[at]),
            class_names[split.labels[at]],
            class_names[answers[at]],
            float(probabilities[at].max()),
        )
        for at in surest_errors(split.labels, probabilities)
    ]
    return TestReport(class_names, confusion_matrix(split.labels, answers, len(class_names)), mistakes)


def _address(image: np.ndarray) -> str:
    """Return a ``data:`` address of a uint8 [H, W, C] picture as PNG, made smaller where it is large."""
    from PIL import Image

    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    picture.thumbnail((MAX_PIXELS, MAX_PIXELS))
    file = io.BytesIO()
    picture.save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()

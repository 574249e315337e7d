"""The figures of a run, as PNG."""

from collections.abc import Iterator, Sequence

import matplotlib

from trialmaker.tracking.classification import confusion_matrix, per_class
from trialmaker.tracking.figures.canvas import settings
from trialmaker.tracking.figures.class_labels import ClassLabels, shorten
from trialmaker.tracking.figures.class_scores import class_scores
from trialmaker.tracking.figures.confident_errors import confident_errors
from trialmaker.tracking.figures.confusion import confusion_figure
from trialmaker.tracking.figures.learning_curves import learning_curves
from trialmaker.tracking.messages import Metrics, Predictions

TITLE_WIDTH = 80  # Latin characters


def run_figures(
    title: str, history: Sequence[Metrics], predictions: Predictions, labels: ClassLabels
) -> Iterator[tuple[str, bytes]]:
    """Yield (name, PNG) of each figure of a run.

    Args:
        title: the run's name.
        labels: of the classes.
    """
    title = shorten(labels.fonts.drawable(title), TITLE_WIDTH)
    answers = predictions.probabilities.argmax(axis=1)
    counts = confusion_matrix(predictions.labels, answers, len(labels.names))
    with matplotlib.rc_context(settings(labels.fonts)):
        yield "learning_curves", learning_curves(title, history, predictions.epoch, labels.fonts).png()
        yield "confusion_matrix", confusion_figure(title, counts, labels).png()
        yield "per_class", class_scores(title, per_class(counts), labels).png()
        if (answers != predictions.labels).any():
            yield "confident_errors", confident_errors(title, predictions, labels).png()

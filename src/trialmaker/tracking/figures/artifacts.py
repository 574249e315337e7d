"""The figures of a run as files: for MLflow, and for TensorBoard."""

from collections.abc import Sequence
from pathlib import Path

from trialmaker.tracking.event_file import write_images
from trialmaker.tracking.figures.class_labels import LEGEND_FILE, class_labels
from trialmaker.tracking.figures.fonts import find_fonts
from trialmaker.tracking.figures.run_figures import run_figures
from trialmaker.tracking.messages import Metrics, Predictions


def write_figures(
    folder: Path, title: str, history: Sequence[Metrics], predictions: Predictions, fonts: Sequence[str] | None = None
) -> None:
    """Write the figures of a run into a folder, and a legend if labels do not say which classes they stand for.

    Args:
        title: the run's name.
        fonts: the font files to look in for characters that matplotlib's own font lacks; None for the installed ones.
    """
    names = predictions.class_names
    labels = class_labels(names, find_fonts([title, *names], fonts))
    figures = dict(run_figures(title, history, predictions, labels))
    for name, png in figures.items():
        (folder / f"{name}.png").write_bytes(png)
    if labels.note:
        (folder / Path(LEGEND_FILE).name).write_text(labels.legend(title), encoding="utf-8")
    if predictions.event_directory:
        write_images(predictions.event_directory, figures, step=predictions.epoch)

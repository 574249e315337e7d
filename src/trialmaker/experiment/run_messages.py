"""The sentences of a run's log: what it trains on, how far it has come, where its model lies."""

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from trialmaker.data.splits import Dataset
from trialmaker.model_store.catalog import served_text
from trialmaker.platform import paths
from trialmaker.platform.redaction import without_password

if TYPE_CHECKING:  # both import TensorFlow, which a study's end imports quietly
    from trialmaker.model_store.publisher import Publisher
    from trialmaker.training.loop import Outcome

DATABASE = re.compile(r"(sqlite|postgresql|mysql|mssql)(\+\w+)?://")  # what MLflow's server can be started on


def sizes(dataset: Dataset) -> str:
    """Return how many images of which shape a data set has, by split."""
    splits = (
        f"{len(dataset.train):,} training, {len(dataset.validation):,} validation, {len(dataset.test):,} test images"
    )
    return f"{dataset.name}: {splits} of {'x'.join(map(str, dataset.input_shape))} in {dataset.num_classes} classes"


def progress_text(objective: str, outcome: "Outcome") -> str:
    """Return how far a training has come, and its best epoch."""
    best = f"best {objective}={outcome.best.metrics[objective]:.4f} of epoch {outcome.best.epoch}"
    return f"at epoch {outcome.epochs}, step {outcome.steps}; {best}"


def closing_message(objective: str, publisher: "Publisher", elsewhere: Path) -> str:
    """Return where the run's model lies: published, or else why not, and the folder that holds it."""
    if publisher.withheld:
        return f"not published: {publisher.withheld}; this run's model: {elsewhere}"
    if publisher.version_directory or not publisher.best:
        return f"best model: {publisher.version_directory}"
    best = publisher.best
    version = publisher.directory / str(best.version)
    return f"{not_published(version, objective, best.metrics[objective])}; this run's model: {elsewhere}"


def not_published(version: Path, objective: str, value: float) -> str:
    """Return that a version which is there is no worse than a new model."""
    return f"not published: {version} is no worse with {objective}={value:.4f}"


def comparison_advice(runs: str, uri: str | None, output: Path) -> str:
    """Return how to compare runs in the store that holds them, with a ``;`` before it; "" where nothing is known.

    Args:
        runs: which ones, such as "runs".
        uri: ``tracking.uri``.
        output: the output directory, whose store it is without a URI.
    """
    if uri is None and paths.is_on_platform():
        return ""
    if uri is None:
        is_own = output == paths.root() / "output" and not paths.IS_INSTALLED
        command = "make ui" if is_own else f"python -m trialmaker ui {shlex.quote(str(output))}"
    elif uri.startswith(("http://", "https://")):
        command = without_password(uri)
    elif DATABASE.match(uri):
        command = f"mlflow ui --backend-store-uri {shlex.quote(without_password(uri))}"
    else:
        return ""
    return f"; to compare {runs}: {command}"


def change_of_data(publisher: "Publisher") -> str | None:
    """Return what ``predict.py`` serves since this run, if that was of other data before; else None."""
    if publisher.served_before is None or publisher.best is None:
        return None
    text = served_text(publisher.directory, publisher.best.version)
    return f"predict.py {text}" if text else None

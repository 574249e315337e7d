"""What the training tells MLflow: the messages of a run's journal."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

MAX_ERRORS = 24  # that are shown


@dataclass(frozen=True)
class Start:
    """The beginning of a run.

    Args:
        uri: MLflow tracking URI, or None for SQLite in ``output``.
        output: the output directory.
        experiment: the MLflow experiment's name.
        run_name: the MLflow run's name.
        run_directory: Hydra's run directory, which holds ``.hydra/`` and ``train.log``.
        project: the code's directory, perhaps a git checkout.
        params: flat config values.
        resolved_config: the config as YAML, without interpolations.
        system_metrics_seconds: sampling interval of the system's metrics, seconds.
        study: the study that the run is a trial of, whose run is then the parent; or None.
        trial: the trial's number, or None.
        tags: a person's, by name.
        note: what a person wrote about it; "" for nothing.
        run_key: identifies the run in all its attempts.
        versions: of the code and the libraries that decide what is computed, by name.
        withheld: why the run's model is not published; "" if it is.
    """

    uri: str | None
    output: Path
    experiment: str
    run_name: str
    run_directory: Path
    project: Path
    params: dict[str, str]
    resolved_config: str
    system_metrics_seconds: float
    study: str | None = None
    trial: int | None = None
    tags: dict[str, str] = field(default_factory=dict)
    note: str = ""
    run_key: str = field(default_factory=lambda: uuid.uuid4().hex)
    versions: dict[str, str] = field(default_factory=dict)
    withheld: str = ""

    @property
    def store(self) -> str:
        """Return the tracking URI."""
        return self.uri or f"sqlite:///{self.output / 'mlflow.db'}"


@dataclass(frozen=True)
class DataUsed:
    """The dataset that the run trains on: see ``data.splits.Dataset``.

    Args:
        sizes: number of examples by split, of the whole dataset.
    """

    name: str
    source: str
    digest: str
    sizes: dict[str, int]
    input_shape: tuple[int, ...]


@dataclass(frozen=True)
class Params:
    """Params that are known only when the data have been read; ``Start`` has those of the config."""

    values: dict[str, str]


@dataclass(frozen=True)
class Metrics:
    """Metrics of one epoch or of some steps.

    Args:
        step: the epoch, or the step, counted from 1; for metrics of the whole run, the best epoch.
        values: the metrics by name.
    """

    step: int
    values: dict[str, float]


@dataclass(frozen=True)
class Predictions:
    """The best model's predictions on the test split, for the figures.

    Args:
        epoch: the best one.
        images: uint8 [H, W, C] each, by index: those of ``surest_errors`` at least, since the journal keeps them.
        labels: int32 [N].
        probabilities: float32 [N, K].
        class_names: K names.
        event_directory: for TensorBoard's event file with the figures; None for none.
    """

    epoch: int
    images: np.ndarray | Mapping[int, np.ndarray]
    labels: np.ndarray
    probabilities: np.ndarray
    class_names: tuple[str, ...]
    event_directory: Path | None = None


def surest_errors(labels: np.ndarray, probabilities: np.ndarray) -> list[int]:
    """Return the indices of at most ``MAX_ERRORS`` wrong predictions, those of the highest probability first."""
    errors = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    order = np.argsort(-probabilities[errors].max(axis=1), kind="stable")
    return [int(index) for index in errors[order][:MAX_ERRORS]]


@dataclass(frozen=True)
class BestModel:
    """A published SavedModel, to be logged as an MLflow model.

    Args:
        directory: of the SavedModel.
        epoch: the best epoch.
        example: float32 [1, H, W, C] in [0, 1].
        num_classes: K.
    """

    directory: Path
    epoch: int
    example: np.ndarray
    num_classes: int


@dataclass(frozen=True)
class End:
    """The end of a run.

    Args:
        status: FINISHED, FAILED or KILLED.
        message: why the run is FAILED or KILLED.
        is_pruned: whether the run is a trial that was pruned; it is KILLED, and tagged.
    """

    status: str
    message: str = ""
    is_pruned: bool = False


@dataclass(frozen=True)
class StudyDone:
    """The result of a study, for its own MLflow run, the parent of its trials' runs. It follows ``Start``.

    Args:
        start: of the study's run.
        storage: Optuna's storage.
        metrics: the best model's metrics on the test split.
        objective: the objective's name, or None for a study of several.
    """

    start: Start
    storage: str
    metrics: dict[str, float]
    objective: str | None


Message = Start | DataUsed | Params | Metrics | Predictions | BestModel | End | StudyDone

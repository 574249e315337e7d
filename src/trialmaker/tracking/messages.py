"""What the training process tells the tracking process, pickled, one after another."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Start:
    """Begin a run.

    Args:
        uri: MLflow tracking URI, or None for SQLite in ``output``.
        output: the output directory.
        experiment, run_name: of MLflow.
        run_directory: Hydra's: holds ``.hydra/`` and ``train.log``.
        project: the code's directory, perhaps a git checkout.
        params: flat config values.
        resolved_config: the config as YAML, without interpolations.
        system_metrics_seconds: sampling interval, seconds.
        study: of which the run is a trial, or None; then its run is a child of the study's.
        trial: its number.
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

    @property
    def store(self) -> str:
        """The tracking URI."""
        return self.uri or f"sqlite:///{self.output / 'mlflow.db'}"


@dataclass(frozen=True)
class DataUsed:
    """What the run trains on: see ``data.splits.Dataset``; ``sizes`` by split."""

    name: str
    source: str
    digest: str
    sizes: dict[str, int]
    input_shape: tuple[int, ...]


@dataclass(frozen=True)
class Metrics:
    """Metrics of one epoch, or of some steps; ``step`` counts the one or the other. Those of the whole run have the
    best epoch's."""

    step: int
    values: dict[str, float]


@dataclass(frozen=True)
class Tested:
    """The best model's answers on the test split, for the pictures.

    Args:
        images: uint8 [N, H, W, C]; labels: int32 [N]; probabilities: float32 [N, K].
    """

    images: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray
    class_names: tuple[str, ...]


@dataclass(frozen=True)
class BestModel:
    """A published SavedModel to be logged as an MLflow model; ``example``: float32 [1, H, W, C] in [0, 1]."""

    directory: Path
    epoch: int
    example: np.ndarray
    num_classes: int


@dataclass(frozen=True)
class End:
    """End the run. ``status``: FINISHED, FAILED or KILLED; ``message``: why, if it is not FINISHED.

    A trial that was pruned is KILLED, and tagged.
    """

    status: str
    message: str = ""
    is_pruned: bool = False


@dataclass(frozen=True)
class StudyDone:
    """In place of a run: what a study found goes to its own run, the parent of its trials'.

    Args:
        start: of the study's run.
        storage: Optuna's.
        metrics: of the best model, on the test split.
    """

    start: Start
    storage: str
    metrics: dict[str, float]


Message = Start | DataUsed | Metrics | Tested | BestModel | End | StudyDone

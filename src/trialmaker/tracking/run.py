"""One MLflow run, from its start to its status."""

import importlib.metadata
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import mlflow
from mlflow.entities import DatasetInput, Metric, Param, RunTag
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from trialmaker.platform import git
from trialmaker.platform.atomic_files import locked
from trialmaker.tracking import class_table, experiment_view, experiments, logged_model, sqlite_store
from trialmaker.tracking.classification import confusion_matrix, per_class
from trialmaker.tracking.dataset_input import dataset_input
from trialmaker.tracking.experiments import note_tag
from trialmaker.tracking.messages import BestModel, DataUsed, End, Message, Metrics, Params, Predictions, Start
from trialmaker.tracking.settings import STATE_TAG, STORE_FILE, TRIAL_TAG

PARAMS_PER_BATCH = 100  # MLflow takes no more at once
METRICS_PER_BATCH = 1000  # the same
TAG_CHARACTERS = 5000  # of a tag's value; MLflow 3 takes 8000, older servers fewer

Item = TypeVar("Item")


class Run:
    """An MLflow run that is created at once and records messages. Raises whatever MLflow raises."""

    def __init__(self, start: Start) -> None:
        self.start = start
        self.history: list[Metrics] = []
        self.dataset: DatasetInput | None = None
        self.system_metrics: SystemMetricsMonitor | None = None
        self.client = _client(start)
        self.run_id = self._create()
        self._log_params(start.params)
        if not start.study:  # whose own run holds what its trials have in common
            self._log_environment()

    def record(self, messages: Sequence[Message]) -> None:
        """Record messages in order; metrics that came together are written together, before the rest."""
        metrics = [message for message in messages if isinstance(message, Metrics)]
        self.history += metrics
        self._log_metrics(metrics)
        for message in messages:
            if isinstance(message, DataUsed):
                self.dataset = dataset_input(message)
                self.client.log_inputs(self.run_id, [self.dataset])
            elif isinstance(message, Params):
                self._log_params(message.values)
            elif isinstance(message, Predictions):
                self._log_predictions(message)
            elif isinstance(message, BestModel):
                logged_model.log_model(self.client, self.run_id, message, self.dataset)
            elif isinstance(message, End):
                self._finish(message)

    def _create(self) -> str:
        self.experiment_id, parent = experiments.experiment_and_parent(self.client, self.start)
        tags = {MLFLOW_PARENT_RUN_ID: parent, TRIAL_TAG: str(self.start.trial)} if parent else note_tag(self.start)
        tags |= self.start.tags
        return str(self.client.create_run(self.experiment_id, run_name=self.start.run_name, tags=tags).info.run_id)

    def _log_environment(self) -> None:
        """Log the code's commit, the packages and the config, and begin to sample the system's metrics."""
        start = self.start
        tags = logged_model.SOURCE_TAGS | _git_tags(start.project)
        self.client.log_batch(self.run_id, tags=[RunTag(*tag) for tag in tags.items()])
        self.client.log_text(self.run_id, _requirements(), "requirements.txt")
        self.client.log_text(self.run_id, start.resolved_config, "resolved_config.yaml")
        self.system_metrics = SystemMetricsMonitor(self.run_id, start.system_metrics_seconds, tracking_uri=start.store)
        self.system_metrics.start()

    def _log_params(self, values: Mapping[str, str]) -> None:
        params = [Param(key, value) for key, value in values.items()]
        for batch in _batches(params, PARAMS_PER_BATCH):
            self.client.log_batch(self.run_id, params=batch)

    def _log_metrics(self, messages: Sequence[Metrics]) -> None:
        now = int(time.time() * 1000)
        metrics = [Metric(name, value, now, m.step) for m in messages for name, value in m.values.items()]
        for batch in _batches(metrics, METRICS_PER_BATCH):
            self.client.log_batch(self.run_id, batch)

    def _log_predictions(self, predictions: Predictions) -> None:
        """Log the figures, and what they show in numbers."""
        from trialmaker.tracking.figures.artifacts import write_figures  # matplotlib, for which the id should not wait

        names, answers = predictions.class_names, predictions.probabilities.argmax(axis=1)
        scores = per_class(confusion_matrix(predictions.labels, answers, len(names)))
        self._log_metrics([Metrics(predictions.epoch, class_table.score_metrics(scores))])
        self.client.log_text(self.run_id, class_table.score_table(names, scores), class_table.TABLE_FILE)
        with tempfile.TemporaryDirectory() as folder:
            write_figures(Path(folder), self.start.run_name, self.history, predictions)
            self.client.log_artifacts(self.run_id, folder, "pictures")

    def _finish(self, end: End) -> None:
        if self.system_metrics:
            self.system_metrics.finish()
        if end.message:
            self.client.set_tag(self.run_id, "trialmaker.end", end.message[:TAG_CHARACTERS])
        if self.start.study:
            states = {"FINISHED": "COMPLETE", "FAILED": "FAIL", "KILLED": "PRUNED" if end.is_pruned else "WAITING"}
            self.client.set_tag(self.run_id, STATE_TAG, states[end.status])
        else:
            self._log_run_directory()
        experiment_view.add_run(self.client, self.experiment_id, self.start)
        self.client.set_terminated(self.run_id, end.status)

    def _log_run_directory(self) -> None:
        for path in (self.start.run_directory / ".hydra", self.start.run_directory / "train.log"):
            if path.is_dir():
                self.client.log_artifacts(self.run_id, str(path), "config")
            elif path.exists():
                self.client.log_artifact(self.run_id, str(path))


def _client(start: Start) -> mlflow.MlflowClient:
    """Return a client of the store, which is made if it is missing."""
    sqlite_store.limit_retries()
    mlflow.set_tracking_uri(start.store)
    with locked(start.output / experiments.LOCK):
        if not start.uri and not (start.output / STORE_FILE).exists():
            sqlite_store.create(start.output / STORE_FILE)
        return mlflow.MlflowClient(start.store)


def _batches(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for at in range(0, len(items), size):
        yield items[at : at + size]


def _git_tags(project: Path) -> dict[str, str]:
    """Return the commit and the files that differ from it; nothing outside a checkout."""
    checkout = git.state(project)
    if not checkout.commit:
        return {}
    return {
        "mlflow.source.git.commit": checkout.commit,
        "trialmaker.git.uncommitted": "yes" if checkout.changes else "no",
        **({"trialmaker.git.changes": checkout.changes[:TAG_CHARACTERS]} if checkout.changes else {}),
    }


@lru_cache
def _requirements() -> str:
    """Return every installed package, one a line, as pip writes it."""
    packages = {f"{package.name}=={package.version}" for package in importlib.metadata.distributions()}
    return "\n".join(sorted(packages, key=str.lower)) + "\n"

"""One MLflow run, from its start to its status."""

import fcntl
import importlib.metadata
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
import mlflow.store.db.utils
import numpy as np
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.meta_dataset import MetaDataset
from mlflow.entities import DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor
from mlflow.types import Schema, TensorSpec
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT, MLFLOW_PARENT_RUN_ID

from trialmaker.platform import git
from trialmaker.tracking import figures, logged_model, sqlite_store, study
from trialmaker.tracking.messages import BestModel, DataUsed, End, Message, Metrics, Start, Tested

PLACES: dict[tuple[str, str, str | None], tuple[str, str]] = {}  # the last one that was asked for
SOURCE_TAGS = {"mlflow.source.name": "train.py", "mlflow.source.type": "LOCAL"}


class Run:
    """Creates the run and records messages in it. Raises whatever MLflow raises."""

    def __init__(self, start: Start) -> None:
        self.start = start
        uri = start.store
        mlflow.store.db.utils.MAX_RETRY_COUNT = 3  # its 10, with growing pauses, take two minutes to say no
        mlflow.set_tracking_uri(uri)
        with _locked(start.output):
            if not start.uri and not (start.output / "mlflow.db").exists():
                sqlite_store.create(start.output / "mlflow.db")
            self.client = mlflow.MlflowClient(uri)
        experiment_id, parent = self._place()
        tags = {MLFLOW_PARENT_RUN_ID: parent, study.TRIAL_TAG: str(start.trial)} if parent else {}
        self.run_id = self.client.create_run(experiment_id, run_name=start.run_name, tags=tags).info.run_id
        params = [Param(key, value) for key, value in start.params.items()]
        for at in range(0, len(params), 100):
            self.client.log_batch(self.run_id, params=params[at : at + 100])
        self.history: list[Metrics] = []
        self.machine: SystemMetricsMonitor | None = None
        if not start.study:  # whose own run holds what its trials have in common
            self._surroundings(uri)

    def _surroundings(self, uri: str) -> None:
        tags = SOURCE_TAGS | _git_tags(self.start.project)
        self.client.log_batch(self.run_id, tags=[RunTag(*tag) for tag in tags.items()])
        self.client.log_text(self.run_id, _versions(), "requirements.txt")
        self.client.log_text(self.run_id, self.start.resolved_config, "resolved_config.yaml")
        self.machine = SystemMetricsMonitor(self.run_id, self.start.system_metrics_seconds, tracking_uri=uri)
        self.machine.start()

    def record(self, messages: Sequence[Message]) -> None:
        """Record messages in order; metrics that came together are written together."""
        metrics = [message for message in messages if isinstance(message, Metrics)]
        self.history += metrics
        self._metrics(metrics)
        for message in messages:
            if isinstance(message, DataUsed):
                self._data(message)
            elif isinstance(message, Tested):
                self._pictures(message)
            elif isinstance(message, BestModel):
                logged_model.log_model(self.run_id, message)
            elif isinstance(message, End):
                self._end(message)

    def _place(self) -> tuple[str, str]:
        """The ids of the experiment and of the study's run, mostly those of the last trial; "" outside of a study."""
        asked = (self.start.store, self.start.experiment, self.start.study)
        if asked not in PLACES:
            experiment_id = self._experiment()
            mlflow.set_experiment(experiment_id=experiment_id)  # where logged models go
            with _locked(self.start.output):
                parent = study.parent(self.client, experiment_id, self.start) if self.start.study else ""
            PLACES.clear()
            PLACES[asked] = experiment_id, parent
        return PLACES[asked]

    def _experiment(self) -> str:
        """The experiment's id. One process at a time, so that there is but one of that name."""
        with _locked(self.start.output):
            found = self.client.get_experiment_by_name(self.start.experiment)
            return found.experiment_id if found else self.client.create_experiment(**self._new_experiment())

    def _new_experiment(self) -> dict[str, Any]:
        """A server knows where its artifacts go; a bare database would have them in the current directory."""
        name, uri = self.start.experiment, self.start.uri
        new = {"name": name, "tags": {"mlflow.experimentKind": "custom_model_development"}}  # which pages its UI shows
        if uri and "sql" not in uri.partition(":")[0]:
            return new
        folder = re.sub(r"[^\w.-]+", "_", name).strip(".") or "_"
        return new | {"artifact_location": (self.start.output / "mlartifacts" / folder).as_uri()}

    def _metrics(self, messages: Sequence[Metrics]) -> None:
        now = int(time.time() * 1000)
        metrics = [Metric(name, value, now, m.step) for m in messages for name, value in m.values.items()]
        for at in range(0, len(metrics), 1000):
            self.client.log_batch(self.run_id, metrics[at : at + 1000])

    def _data(self, used: DataUsed) -> None:
        source = CodeDatasetSource(tags={"source": used.source, **{k: str(v) for k, v in used.sizes.items()}})
        schema = Schema([TensorSpec(np.dtype("uint8"), (-1, *used.input_shape), "images")])
        dataset = MetaDataset(source, used.name, used.digest[:36], schema)
        tag = InputTag(MLFLOW_DATASET_CONTEXT, "training")
        self.client.log_inputs(self.run_id, [DatasetInput(dataset._to_mlflow_entity(), [tag])])

    def _pictures(self, tested: Tested) -> None:
        for name, figure in figures.figures(self.history, tested):
            self.client.log_figure(self.run_id, figure, f"pictures/{name}.png")

    def _end(self, end: End) -> None:
        if self.machine:
            self.machine.finish()
        if end.message:
            self.client.set_tag(self.run_id, "trialmaker.end", end.message[:5000])
        if self.start.study:
            states = {"FINISHED": "COMPLETE", "FAILED": "FAIL", "KILLED": "PRUNED" if end.is_pruned else "WAITING"}
            self.client.set_tag(self.run_id, study.STATE_TAG, states[end.status])
            self.client.set_terminated(self.run_id, end.status)
            return
        for path in (self.start.run_directory / ".hydra", self.start.run_directory / "train.log"):
            if path.is_dir():
                self.client.log_artifacts(self.run_id, str(path), "config")
            elif path.exists():
                self.client.log_artifact(self.run_id, str(path))
        self.client.set_terminated(self.run_id, end.status)


@contextmanager
def _locked(output: Path) -> Iterator[None]:
    with (output / ".mlflow.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _git_tags(project: Path) -> dict[str, str]:
    """The commit and the files that differ from it; nothing outside a checkout."""
    found = git.state(project)
    if not found.commit:
        return {}
    return {
        "mlflow.source.git.commit": found.commit,
        "trialmaker.git.uncommitted": "yes" if found.changes else "no",
        **({"trialmaker.git.changes": found.changes[:5000]} if found.changes else {}),
    }


def _versions() -> str:
    """Every installed package, a line each, as pip writes it."""
    packages = {f"{found.name}=={found.version}" for found in importlib.metadata.distributions()}
    return "\n".join(sorted(packages, key=str.lower)) + "\n"

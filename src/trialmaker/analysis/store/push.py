"""Copies of a merged store's runs on a team's MLflow server, made through its API.

A server gives ids of its own. Each run and model keeps its old id in a tag, by which the next push finds it: a second
push adds nothing, and an interrupted push is resumed by the next one.

Metric values are read in SQL on the schema of MLflow 3.17. Its client, in that version, puts names into URLs unquoted.
"""

import hashlib
import json
import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from mlflow import MlflowClient
from mlflow.entities import (
    DatasetInput,
    LoggedModel,
    LoggedModelInput,
    LoggedModelOutput,
    LoggedModelStatus,
    Metric,
    Param,
    Run,
    RunTag,
    ViewType,
)
from mlflow.exceptions import MlflowException

from trialmaker.analysis.store.artifact_files import ArtifactFolders
from trialmaker.errors import UserError, one_line
from trialmaker.platform.received_files import folder_of
from trialmaker.platform.redaction import without_password
from trialmaker.tracking.run_list import NOTE_START

RUN_TAG, MODEL_TAG, DONE_TAG = "trialmaker.source_run_id", "trialmaker.source_model_id", "trialmaker.pushed"
BATCH_SIZES = {"metrics": 1000, "params": 100, "tags": 100}  # the API's limits for one call
FINAL_STATUSES = ("FINISHED", "FAILED", "KILLED")
UNSENDABLE_CHARACTERS = set("%#?")  # in a name, as MLflow's client does not quote it
RUN_METRICS = (
    "SELECT key, CASE WHEN is_nan THEN NULL ELSE value END, timestamp, step, NULL, NULL FROM metrics WHERE run_uuid = ?"
)
MODEL_METRICS = (
    "SELECT metric_name, metric_value, metric_timestamp_ms, metric_step, dataset_name, dataset_digest "
    "FROM logged_model_metrics WHERE model_id = ?"
)


class Pusher:
    """A push of all runs of a merged store to an MLflow server.

    Args:
        store: the merged store's SQLite file.
        server: the server's address, ``http://…`` or ``https://…``. MLflow takes the user's name and password from its
            environment variables or from the address.

    Raises:
        UserError: the address is not that of a server.
    """

    def __init__(self, store: Path, server: str) -> None:
        _check_address(server)
        # urllib3 warns of each retry; the last failure is raised
        logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
        self.store, self.server = store, server
        self.source, self.target = MlflowClient(f"sqlite:///{store}"), MlflowClient(server)
        self.ids: dict[str, str] = {}  # of runs and models: the id on the server by the id in the store
        self.fingerprints: dict[str, str] = {}  # of the last complete push, or "deleted", by a run's id on the server
        self.artifacts = ArtifactFolders.of(store.parent)
        self.unsendable_files: list[str] = []  # paths of artifacts whose names MLflow's client can't send

    def push(self, report_progress: Callable[[str, int, int], None]) -> tuple[int, int]:
        """Push all runs that are new or have changed.

        Args:
            report_progress: called before each run with its name, its position (from 1) and the number of runs.

        Returns:
            the number of runs that were pushed, and the number of those that were on the server already.

        Raises:
            UserError: the server cannot be reached, or refuses.
        """
        pushed, name = [], ""
        try:
            runs = list(self._runs())
            for run, experiment_id in runs:  # all of them, before what refers to their ids
                self._create_run(run, experiment_id)
            for at, (run, experiment_id) in enumerate(runs, 1):
                name = run.info.run_name
                report_progress(name, at, len(runs))
                files = self.artifacts.files(run.info.artifact_uri)
                fingerprint = self._fingerprint(run, files)
                if self.fingerprints.get(self.ids[run.info.run_id]) not in (fingerprint, "deleted"):
                    self._push_run(run, experiment_id, files)
                    pushed.append((run, fingerprint))
            for run, fingerprint in pushed:
                self._finish_run(run, fingerprint)
        except (MlflowException, requests.RequestException) as error:
            where = f"{without_password(self.server)}: push failed" + (f" at run {name}" if name else "")
            reason = without_password(one_line(error, 300))
            raise UserError(f"{where}: {reason}; the same command goes on from there") from error
        return len(pushed), len(runs) - len(pushed)

    def _runs(self) -> Iterator[tuple[Run, str]]:
        """Yield each run with its experiment's id on the server."""
        for experiment in self.source.search_experiments(ViewType.ACTIVE_ONLY):
            runs = list(_pages(partial(self.source.search_runs, [experiment.experiment_id])))
            if runs:
                tags = {name: value for name, value in experiment.tags.items() if not value.startswith(NOTE_START)}
                experiment_id = self._experiment_id(experiment.name, tags)
                yield from ((run, experiment_id) for run in runs)

    def _experiment_id(self, name: str, tags: dict[str, str]) -> str:
        """Return an experiment's id on the server, created there if it is missing; note the runs that it has."""
        experiment = self.target.get_experiment_by_name(name)
        if experiment and experiment.lifecycle_stage != "active":
            raise UserError(f"experiment {name}: was deleted on the server: restore it there, then push again")
        number = str(experiment.experiment_id) if experiment else self.target.create_experiment(name, tags=tags)
        for run in _pages(partial(self.target.search_runs, [number], f"tags.`{RUN_TAG}` != ''", ViewType.ALL)):
            self.ids[run.data.tags[RUN_TAG]] = run.info.run_id
            is_deleted = run.info.lifecycle_stage != "active"
            self.fingerprints[run.info.run_id] = "deleted" if is_deleted else run.data.tags.get(DONE_TAG, "")
        return number

    def _create_run(self, run: Run, experiment_id: str) -> None:
        old = run.info.run_id
        if old not in self.ids:
            new = self.target.create_run(experiment_id, run.info.start_time, {RUN_TAG: old}, run.info.run_name)
            self.ids[old] = new.info.run_id

    def _push_run(self, run: Run, experiment_id: str, files: dict[str, Path]) -> None:
        old = run.info.run_id
        new = self.ids[old]
        tags = {name: self.ids.get(value, value) for name, value in run.data.tags.items()}
        self._log_batches(new, "tags", [RunTag(*tag) for tag in tags.items()])
        self._log_batches(new, "params", [Param(*param) for param in run.data.params.items()])
        self._log_batches(new, "metrics", self._metrics(RUN_METRICS, old, new))
        if run.inputs and run.inputs.dataset_inputs:
            self.target.log_inputs(new, [DatasetInput(data.dataset, data.tags) for data in run.inputs.dataset_inputs])
        self._log_artifacts(new, files)
        for model in self.source.search_logged_models([run.info.experiment_id], f"source_run_id = '{old}'"):
            self.ids[model.model_id] = self._push_model(model, new, experiment_id)
            metrics = self._metrics(MODEL_METRICS, model.model_id, new, self.ids[model.model_id])
            self._log_batches(new, "metrics", metrics)

    def _finish_run(self, run: Run, fingerprint: str) -> None:
        """Log the models that a run refers to, its status, and that its push is complete."""
        run_id = self.ids[run.info.run_id]
        self._log_model_links(run, run_id)
        if run.info.status in FINAL_STATUSES:
            self.target.set_terminated(run_id, run.info.status, run.info.end_time)
        self.target.set_tag(run_id, DONE_TAG, fingerprint)

    def _log_model_links(self, run: Run, run_id: str) -> None:
        """Log a run's models as its outputs and inputs, except those that are; MLflow refuses to do so twice."""
        target_run = self.target.get_run(run_id)
        logged = {output.model_id for output in (target_run.outputs.model_outputs if target_run.outputs else [])}
        logged |= {model.model_id for model in (target_run.inputs.model_inputs if target_run.inputs else [])}
        for output in run.outputs.model_outputs if run.outputs else []:
            if (model_id := self.ids.get(output.model_id)) and model_id not in logged:
                self.target.log_outputs(run_id, [LoggedModelOutput(model_id, output.step)])
        for model in run.inputs.model_inputs if run.inputs else []:
            if (model_id := self.ids.get(model.model_id)) and model_id not in logged:
                self.target.log_inputs(run_id, models=[LoggedModelInput(model_id)])

    def _log_batches(self, run_id: str, kind: str, items: Sequence[Any]) -> None:
        for at in range(0, len(items), BATCH_SIZES[kind]):
            self.target.log_batch(run_id, **{kind: items[at : at + BATCH_SIZES[kind]]})

    def _metrics(self, query: str, old: str, run_id: str, model_id: str | None = None) -> list[Metric]:
        """Return all metric values of a run or model, read in SQL since MLflow's API returns one metric at a time."""
        with closing(sqlite3.connect(self.store)) as connection:
            rows = connection.execute(query, (old,)).fetchall()
        return [
            Metric(key, float("nan") if value is None else value, timestamp, step, model_id, name, digest, run_id)
            for key, value, timestamp, step, name, digest in rows
        ]

    def _log_artifacts(self, run_id: str, files: dict[str, Path]) -> None:
        """Log the artifacts that the server lacks; all of them where an earlier push of the run was completed."""
        sizes = {} if self.fingerprints.get(run_id) else dict(self._artifact_sizes(run_id, ""))
        for name, path in files.items():
            if UNSENDABLE_CHARACTERS & set(name):
                self.unsendable_files.append(str(path))
            elif sizes.get(name) != path.stat().st_size:
                self.target.log_artifact(run_id, str(path), str(Path(name).parent) if "/" in name else None)

    def _artifact_sizes(self, run_id: str, folder: str) -> Iterator[tuple[str, int | None]]:
        for entry in self.target.list_artifacts(run_id, folder or None):
            if entry.is_dir:
                yield from self._artifact_sizes(run_id, entry.path)
            else:
                yield entry.path, entry.file_size

    def _push_model(self, model: LoggedModel, run_id: str, experiment_id: str) -> str:
        """Push a model and its files, unless an earlier push did; return its id on the server."""
        matches = self.target.search_logged_models([experiment_id], f"tags.`{MODEL_TAG}` = '{model.model_id}'")
        tags = model.tags | {MODEL_TAG: model.model_id}
        target_model = matches[0] if matches else self.target.create_logged_model(
            experiment_id, model.name, run_id, tags, model.params, model.model_type
        )  # fmt: skip
        if target_model.status == LoggedModelStatus.PENDING and model.status != LoggedModelStatus.PENDING:
            self._log_model_files(target_model.model_id, self.artifacts.files(model.artifact_location))
            self.target.finalize_logged_model(target_model.model_id, model.status)
        return str(target_model.model_id)

    def _log_model_files(self, model_id: str, files: dict[str, Path]) -> None:
        """Log a model's files, which MLflow's client takes as a folder alone: one of links to them."""
        if files:
            with folder_of(files) as folder:
                self.target.log_model_artifacts(model_id, str(folder))

    def _fingerprint(self, run: Run, files: dict[str, Path]) -> str:
        """Return a text that changes when a run has something new to push."""
        with closing(sqlite3.connect(self.store)) as connection:
            query = "SELECT count(*), max(timestamp) FROM metrics WHERE run_uuid = ?"
            points = connection.execute(query, (run.info.run_id,)).fetchone()
        digests = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
        models = [output.model_id for output in (run.outputs.model_outputs if run.outputs else [])]
        state = [run.info.status, run.info.end_time, run.data.to_dictionary(), points, digests, models]
        return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()[:16]


def _check_address(server: str) -> None:
    try:
        parts = urlsplit(server)
        is_server = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_server = False
    if not is_server:
        hint = "to use a database, start mlflow server on it, which keeps the artifacts too"
        raise UserError(f"--to {without_password(server)}: must be an address http://… of an MLflow server; {hint}")


def _pages(search: Callable[..., Any]) -> Iterable[Any]:
    """Yield the entries of all pages of a search."""
    token = None
    while True:
        page = search(page_token=token)
        yield from page
        if not (token := page.token):
            return

"""Runs of a merged store, brought to a team's MLflow server through its API.

A server gives its own ids. Each run and model keeps the old one in a tag, by which the next push finds it: so to push
twice adds nothing, and a push that was interrupted goes on.
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

from trialmaker.analysis.store.relocation import local_path
from trialmaker.errors import UserError
from trialmaker.platform.redaction import without_password

RUN_TAG, MODEL_TAG, DONE_TAG = "trialmaker.source_run_id", "trialmaker.source_model_id", "trialmaker.pushed"
BATCH = {"metrics": 1000, "params": 100, "tags": 100}  # what the API takes at once
ENDED = ("FINISHED", "FAILED", "KILLED")
UNSPEAKABLE = "%#?"  # MLflow's client puts names into addresses as they are
POINTS = (
    "SELECT key, CASE WHEN is_nan THEN NULL ELSE value END, timestamp, step, NULL, NULL FROM metrics WHERE run_uuid = ?"
)
MODEL_POINTS = (
    "SELECT metric_name, metric_value, metric_timestamp_ms, metric_step, dataset_name, dataset_digest "
    "FROM logged_model_metrics WHERE model_id = ?"
)


class Pusher:
    """Brings all runs of a store to a server.

    Args:
        store: SQLite's file of the merged store.
        server: its address, ``http://…`` or ``https://…``; names and passwords as MLflow takes them, from its
            environment variables or from the address.

    Raises:
        UserError: the address is none of a server.
    """

    def __init__(self, store: Path, server: str) -> None:
        _check(server)
        logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # of each try; the last one is told
        self.store, self.server = store, server
        self.source, self.target = MlflowClient(f"sqlite:///{store}"), MlflowClient(server)
        self.ids: dict[str, str] = {}  # of runs and models: there, by here
        self.done: dict[str, str] = {}  # what their push left, by a run's id there
        self.unsendable_files: list[str] = []  # files that the server can't take

    def push(self, tell: Callable[[str, int, int], None]) -> tuple[int, int]:
        """Bring all runs that are not there yet, or have changed.

        Args:
            tell: called before each run with its name, its place from 1, and how many there are.

        Returns:
            how many were brought, how many were there.

        Raises:
            UserError: the server cannot be reached, or refuses.
        """
        changed, name = [], ""
        try:
            runs = list(self._runs())
            for run, experiment_id in runs:  # all, before what refers to them
                self._begin(run, experiment_id)
            for at, (run, experiment_id) in enumerate(runs, 1):
                name = run.info.run_name
                tell(name, at, len(runs))
                files = _files(run.info.artifact_uri)
                content = self._content(run, files)
                if self.done.get(self.ids[run.info.run_id]) not in (content, "deleted"):
                    self._bring(run, experiment_id, files)
                    changed.append((run, content))
            for run, content in changed:
                self._end(run, content)
        except (MlflowException, requests.RequestException) as error:
            where = f"{without_password(self.server)}: push failed" + (f" at run {name}" if name else "")
            reason = without_password(" ".join(str(error).split())[:300])
            raise UserError(f"{where}: {reason}; the same command goes on from there") from error
        return len(changed), len(runs) - len(changed)

    def _runs(self) -> Iterator[tuple[Run, str]]:
        """Each with the id of its experiment there."""
        for experiment in self.source.search_experiments(ViewType.ACTIVE_ONLY):
            runs = list(_pages(partial(self.source.search_runs, [experiment.experiment_id])))
            if runs:
                there = self._experiment(experiment.name, dict(experiment.tags))
                yield from ((run, there) for run in runs)

    def _experiment(self, name: str, tags: dict[str, str]) -> str:
        found = self.target.get_experiment_by_name(name)
        if found and found.lifecycle_stage != "active":
            raise UserError(f"experiment {name}: was deleted on the server: restore it there, then push again")
        number = str(found.experiment_id) if found else self.target.create_experiment(name, tags=tags)
        for run in _pages(partial(self.target.search_runs, [number], f"tags.`{RUN_TAG}` != ''", ViewType.ALL)):
            self.ids[run.data.tags[RUN_TAG]] = run.info.run_id
            is_deleted = run.info.lifecycle_stage != "active"
            self.done[run.info.run_id] = "deleted" if is_deleted else run.data.tags.get(DONE_TAG, "")
        return number

    def _begin(self, run: Run, experiment_id: str) -> None:
        old = run.info.run_id
        if old not in self.ids:
            new = self.target.create_run(experiment_id, run.info.start_time, {RUN_TAG: old}, run.info.run_name)
            self.ids[old] = new.info.run_id

    def _bring(self, run: Run, experiment_id: str, files: dict[str, Path]) -> None:
        old = run.info.run_id
        new = self.ids[old]
        tags = {name: self.ids.get(value, value) for name, value in run.data.tags.items()}
        self._batches(new, "tags", [RunTag(*tag) for tag in tags.items()])
        self._batches(new, "params", [Param(*param) for param in run.data.params.items()])
        self._batches(new, "metrics", self._metrics(POINTS, old, new))
        if run.inputs and run.inputs.dataset_inputs:
            self.target.log_inputs(new, [DatasetInput(one.dataset, one.tags) for one in run.inputs.dataset_inputs])
        self._artifacts(new, files)
        for model in self.source.search_logged_models([run.info.experiment_id], f"source_run_id = '{old}'"):
            self.ids[model.model_id] = self._model(model, new, experiment_id)
            self._batches(new, "metrics", self._metrics(MODEL_POINTS, model.model_id, new, self.ids[model.model_id]))

    def _end(self, run: Run, content: str) -> None:
        """What refers to models, and that it is done. MLflow refuses to log an output or input a second time."""
        new = self.ids[run.info.run_id]
        there = self.target.get_run(new)
        known = {one.model_id for one in (there.outputs.model_outputs if there.outputs else [])}
        known |= {one.model_id for one in (there.inputs.model_inputs if there.inputs else [])}
        for one in run.outputs.model_outputs if run.outputs else []:
            if (model := self.ids.get(one.model_id)) and model not in known:
                self.target.log_outputs(new, [LoggedModelOutput(model, one.step)])
        for used in run.inputs.model_inputs if run.inputs else []:
            if (model := self.ids.get(used.model_id)) and model not in known:
                self.target.log_inputs(new, models=[LoggedModelInput(model)])
        if run.info.status in ENDED:
            self.target.set_terminated(new, run.info.status, run.info.end_time)
        self.target.set_tag(new, DONE_TAG, content)

    def _batches(self, run_id: str, kind: str, items: Sequence[Any]) -> None:
        for at in range(0, len(items), BATCH[kind]):
            self.target.log_batch(run_id, **{kind: items[at : at + BATCH[kind]]})

    def _metrics(self, query: str, old: str, run_id: str, model_id: str | None = None) -> list[Metric]:
        """Points as they are in the store. It is asked in SQL: its API gives one metric's at a time."""
        with closing(sqlite3.connect(self.store)) as connection:
            rows = connection.execute(query, (old,)).fetchall()
        return [
            Metric(key, float("nan") if value is None else value, timestamp, step, model_id, name, digest, run_id)
            for key, value, timestamp, step, name, digest in rows
        ]

    def _artifacts(self, run_id: str, files: dict[str, Path]) -> None:
        """Those that are not there; all, if they may have changed since an earlier push."""
        there = {} if self.done.get(run_id) else dict(self._listed(run_id, ""))
        for name, path in files.items():
            if set(name) & set(UNSPEAKABLE):
                self.unsendable_files.append(str(path))
            elif there.get(name) != path.stat().st_size:
                self.target.log_artifact(run_id, str(path), str(Path(name).parent) if "/" in name else None)

    def _listed(self, run_id: str, folder: str) -> Iterator[tuple[str, int | None]]:
        for entry in self.target.list_artifacts(run_id, folder or None):
            if entry.is_dir:
                yield from self._listed(run_id, entry.path)
            else:
                yield entry.path, entry.file_size

    def _model(self, model: LoggedModel, run_id: str, experiment_id: str) -> str:
        found = self.target.search_logged_models([experiment_id], f"tags.`{MODEL_TAG}` = '{model.model_id}'")
        tags = model.tags | {MODEL_TAG: model.model_id}
        there = found[0] if found else self.target.create_logged_model(
            experiment_id, model.name, run_id, tags, model.params, model.model_type
        )  # fmt: skip
        if there.status == LoggedModelStatus.PENDING and model.status != LoggedModelStatus.PENDING:
            if (folder := local_path(model.artifact_location)) and folder.is_dir():
                self.target.log_model_artifacts(there.model_id, str(folder))
            self.target.finalize_logged_model(there.model_id, model.status)
        return str(there.model_id)

    def _content(self, run: Run, files: dict[str, Path]) -> str:
        """Differs when there is something new to bring."""
        with closing(sqlite3.connect(self.store)) as connection:
            query = "SELECT count(*), max(timestamp) FROM metrics WHERE run_uuid = ?"
            points = connection.execute(query, (run.info.run_id,)).fetchone()
        digests = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
        models = [one.model_id for one in (run.outputs.model_outputs if run.outputs else [])]
        told = [run.info.status, run.info.end_time, run.data.to_dictionary(), points, digests, models]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def _check(server: str) -> None:
    try:
        parts = urlsplit(server)
        is_server = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_server = False
    if not is_server:
        way_on = "to use a database, start mlflow server on it, which keeps the artifacts too"
        raise UserError(f"--to {without_password(server)}: must be an address http://… of an MLflow server; {way_on}")


def _files(address: str) -> dict[str, Path]:
    """Of a run, by their path below the folder of its artifacts."""
    folder = local_path(address)
    found = sorted(folder.rglob("*")) if folder else []
    return {str(path.relative_to(folder)): path for path in found if folder and path.is_file()}


def _pages(ask: Callable[..., Any]) -> Iterable[Any]:
    token = None
    while True:
        page = ask(page_token=token)
        yield from page
        if not (token := page.token):
            return

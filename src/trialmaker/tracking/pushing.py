"""Runs of a merged store, brought to a team's MLflow server through its API.

A server gives its own ids. Each run and model keeps the old one in a tag, by which the next push finds it: so to push
twice adds nothing, and a push that was interrupted goes on.
"""

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import requests
from mlflow import MlflowClient
from mlflow.entities import (
    DatasetInput,
    LoggedModel,
    LoggedModelInput,
    LoggedModelOutput,
    LoggedModelParameter,
    LoggedModelStatus,
    Metric,
    Param,
    Run,
    RunTag,
    ViewType,
)
from mlflow.exceptions import MlflowException

from trialmaker.description import without_password
from trialmaker.errors import UserError

RUN_TAG, MODEL_TAG, DONE_TAG = "trialmaker.source_run_id", "trialmaker.source_model_id", "trialmaker.pushed"
PARENT_TAG = "mlflow.parentRunId"
BATCH = {"metrics": 1000, "params": 100, "tags": 100}  # what the API takes at once
ENDED = ("FINISHED", "FAILED", "KILLED")


class Pusher:
    """Args:
    store: SQLite's file of the merged store.
    server: its address, ``http://…`` or ``https://…``; names and passwords as MLflow takes them, from its environment
        variables or from the address.
    """

    def __init__(self, store: Path, server: str) -> None:
        if urlsplit(server).scheme not in ("http", "https"):
            way_on = "to use a database, start mlflow server on it, which keeps the artifacts too"
            raise UserError(
                f"--to {without_password(server)}: must be an address http://… of an MLflow server; {way_on}"
            )
        self.store, self.server = store, server
        self.source, self.target = MlflowClient(f"sqlite:///{store}"), MlflowClient(server)
        self.ids: dict[str, str] = {}  # of runs: there, by here
        self.done: dict[str, str] = {}  # what their push left, by id there

    def push(self, tell: Callable[[str, int, int], None]) -> tuple[int, int]:
        """Bring all runs that are not there yet, or have changed.

        Args:
            tell: called before each run with its name, its place from 1, and how many there are.

        Returns:
            how many were brought, how many were there.

        Raises:
            UserError: the server cannot be reached, or refuses.
        """
        brought, name = 0, ""
        try:
            runs = list(self._runs())
            for at, (run, experiment_id) in enumerate(runs, 1):
                name = run.info.run_name
                tell(name, at, len(runs))
                brought += self._bring(run, experiment_id)
        except (MlflowException, requests.RequestException) as error:
            where = f"{without_password(self.server)}: push failed" + (f" at run {name}" if name else "")
            reason = without_password(" ".join(str(error).split())[:300])
            raise UserError(f"{where}: {reason}; the same command goes on from there") from error
        return brought, len(runs) - brought

    def _runs(self) -> Iterator[tuple[Run, str]]:
        """Each with the id of its experiment there, parents first."""
        for experiment in self.source.search_experiments(ViewType.ACTIVE_ONLY):
            runs = list(_pages(partial(self.source.search_runs, [experiment.experiment_id])))
            if runs:
                there = self._experiment(experiment.name, dict(experiment.tags))
                for run in sorted(runs, key=lambda run: (PARENT_TAG in run.data.tags, run.info.start_time)):
                    yield run, there

    def _experiment(self, name: str, tags: dict[str, str]) -> str:
        found = self.target.get_experiment_by_name(name)
        if found and found.lifecycle_stage != "active":
            raise UserError(f"experiment {name}: was deleted on the server: restore it there, then push again")
        number = str(found.experiment_id) if found else self.target.create_experiment(name, tags=tags)
        known = _pages(partial(self.target.search_runs, [number], f"tags.`{RUN_TAG}` != ''", ViewType.ALL))
        for run in known:
            self.ids[run.data.tags[RUN_TAG]] = run.info.run_id
            self.done[run.info.run_id] = (
                "deleted" if run.info.lifecycle_stage != "active" else run.data.tags.get(DONE_TAG, "")
            )
        return number

    def _bring(self, run: Run, experiment_id: str) -> bool:
        """Whether there was anything to bring."""
        old, files = run.info.run_id, _files(run.info.artifact_uri)
        content = self._content(run, files)
        if self.done.get(self.ids.get(old, "")) in (content, "deleted"):
            return False
        tags = {name: self.ids.get(value, value) for name, value in run.data.tags.items()} | {RUN_TAG: old}
        if old not in self.ids:
            self.ids[old] = self.target.create_run(
                experiment_id, run.info.start_time, tags, run.info.run_name
            ).info.run_id
        new = self.ids[old]
        self._batches(new, "tags", [RunTag(*tag) for tag in tags.items()])
        self._batches(new, "params", [Param(*param) for param in run.data.params.items()])
        self._batches(new, "metrics", self._metrics("metrics", "run_uuid", old, new))
        if run.inputs and run.inputs.dataset_inputs:
            self.target.log_inputs(new, [DatasetInput(one.dataset, one.tags) for one in run.inputs.dataset_inputs])
        self._artifacts(new, files)
        self._models(run, new, experiment_id)
        if run.info.status in ENDED:
            self.target.set_terminated(new, run.info.status, run.info.end_time)
        self.target.set_tag(new, DONE_TAG, content)
        return True

    def _batches(self, run_id: str, kind: str, items: Sequence[Any]) -> None:
        for at in range(0, len(items), BATCH[kind]):
            self.target.log_batch(run_id, **{kind: items[at : at + BATCH[kind]]})

    def _metrics(self, table: str, column: str, old: str, run_id: str, model_id: str | None = None) -> list[Metric]:
        """Points as they are in the store. It is asked in SQL: its API gives one metric's at a time."""
        names = (
            "key, value, timestamp, step"
            if table == "metrics"
            else "metric_name, metric_value, metric_timestamp_ms, metric_step"
        )
        bad = ", is_nan" if table == "metrics" else ", 0"
        with closing(sqlite3.connect(self.store)) as connection:
            rows = connection.execute(f"SELECT {names}{bad} FROM {table} WHERE {column} = ?", (old,)).fetchall()
        return [
            Metric(key, float("nan") if is_nan else value, timestamp, step, model_id=model_id, run_id=run_id)
            for key, value, timestamp, step, is_nan in rows
        ]

    def _artifacts(self, run_id: str, files: dict[str, Path]) -> None:
        there = dict(self._listed(run_id, ""))
        for name, path in files.items():
            if there.get(name) != path.stat().st_size:
                self.target.log_artifact(run_id, str(path), str(Path(name).parent) if "/" in name else None)

    def _listed(self, run_id: str, folder: str) -> Iterator[tuple[str, int | None]]:
        for entry in self.target.list_artifacts(run_id, folder or None):
            if entry.is_dir:
                yield from self._listed(run_id, entry.path)
            else:
                yield entry.path, entry.file_size

    def _models(self, run: Run, new: str, experiment_id: str) -> None:
        """Models that the run made, with their metrics, and which it has for outputs."""
        made = self.source.search_logged_models([run.info.experiment_id], f"source_run_id = '{run.info.run_id}'")
        outputs = {one.model_id: one.step for one in (run.outputs.model_outputs if run.outputs else [])}
        inputs = {one.model_id for one in (run.inputs.model_inputs if run.inputs else [])}
        for model in made:
            there = self._model(model, new, experiment_id)
            self._batches(new, "metrics", self._metrics("logged_model_metrics", "model_id", model.model_id, new, there))
            if model.model_id in outputs:
                self.target.log_outputs(new, [LoggedModelOutput(there, outputs[model.model_id])])
            if model.model_id in inputs:
                self.target.log_inputs(new, models=[LoggedModelInput(there)])

    def _model(self, model: LoggedModel, run_id: str, experiment_id: str) -> str:
        found = self.target.search_logged_models([experiment_id], f"tags.`{MODEL_TAG}` = '{model.model_id}'")
        there = found[0] if found else self.target.create_logged_model(
            experiment_id, model.name, run_id, model.tags | {MODEL_TAG: model.model_id},
            {name: LoggedModelParameter(name, value).value for name, value in model.params.items()}, model.model_type,
        )  # fmt: skip
        if there.status != LoggedModelStatus.READY and (folder := _folder(model.artifact_location)):
            self.target.log_model_artifacts(there.model_id, str(folder))
            self.target.finalize_logged_model(there.model_id, model.status)
        return str(there.model_id)

    def _content(self, run: Run, files: dict[str, Path]) -> str:
        """Differs when there is something new to bring."""
        with closing(sqlite3.connect(self.store)) as connection:
            query = "SELECT count(*), max(timestamp) FROM metrics WHERE run_uuid = ?"
            points = connection.execute(query, (run.info.run_id,)).fetchone()
        sizes = sorted((name, path.stat().st_size) for name, path in files.items())
        models = [one.model_id for one in (run.outputs.model_outputs if run.outputs else [])]
        told = [
            run.info.status,
            run.info.end_time,
            run.data.params,
            run.data.tags,
            run.data.metrics,
            points,
            sizes,
            models,
        ]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def _folder(address: str) -> Path | None:
    parts = urlsplit(address)
    folder = Path(unquote(parts.path)) if parts.scheme == "file" else Path(address)
    return folder if parts.scheme in ("file", "") and folder.is_dir() else None


def _files(address: str) -> dict[str, Path]:
    """Of a run, by their path below the folder of its artifacts."""
    folder = _folder(address)
    return (
        {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()} if folder else {}
    )


def _pages(ask: Callable[..., Any]) -> Iterable[Any]:
    token = None
    while True:
        page = ask(page_token=token)
        yield from page
        if not (token := page.token):
            return

"""Outputs of real jobs, small MLflow stores, and the contents of a store as MLflow's own client reads it."""

import hashlib
import importlib.metadata
import json
import pickle
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities import ViewType

from support.entry import run_entry
from support.stores import create_store
from support.stores import empty_store as empty_store
from trialmaker.analysis.store import outputs, runs
from trialmaker.analysis.store.merging import MergeResult, merge
from trialmaker.analysis.store.runs import Run

Command = Callable[..., tuple[int, str, str]]  # takes arguments; returns the exit code, standard output and error
MERGE_TAGS = {"trialmaker.output"}  # added by a merge
JOBS = {
    "V0001": ["data=digits", "training.epochs=3", "model.hidden_units=[16]"],
    "V0002": ["data=digits", "training.epochs=4", "model.hidden_units=[32]", "optimizer.learning_rate=0.01", "seed=1"],
    "V0003": [
        "sweeps=mlp",
        "data=digits",
        "training.max_examples=512",
        "training.epochs=2",
        "hydra.sweeper.n_trials=3",
    ],
}


def make_outputs(root: Path) -> None:
    """Run the jobs, then move them to ``<root>/moved/<job>/output``.

    ``<root>/moved/runs.pickle`` holds their runs, as ``read_runs`` returned them before the move.
    """
    first_place = root / "made"
    for name, words in JOBS.items():
        result = run_entry(first_place / name, *words)
        assert result.code == 0, result.err
    contents: dict[str, dict[str, Any]] = {}
    for name in JOBS:
        contents |= read_runs(first_place / name / "output" / "mlflow.db")
    first_place.rename(root / "moved")
    (root / "moved" / "runs.pickle").write_bytes(pickle.dumps(contents))


def copy_outputs(root: Path, folder: Path) -> list[Path]:
    """Copy the outputs to another folder, as a download does: ``<folder>/V0001``, …; return their paths."""
    return [Path(shutil.copytree(root / name / "output", folder / name)) for name in JOBS]


def read_runs(store: Path) -> dict[str, dict[str, Any]]:
    """Return all that MLflow's client returns of each run, by its id; artifacts and models as digests."""
    client = MlflowClient(f"sqlite:///{store}")
    contents = {}
    for experiment in client.search_experiments(ViewType.ALL):
        for run in client.search_runs([experiment.experiment_id], run_view_type=ViewType.ALL, max_results=5000):
            contents[run.info.run_id] = {
                "experiment": experiment.name,
                "info": (
                    run.info.run_name,
                    run.info.status,
                    run.info.start_time,
                    run.info.end_time,
                    run.info.lifecycle_stage,
                ),
                "params": run.data.params,
                "tags": {name: value for name, value in run.data.tags.items() if name not in MERGE_TAGS},
                "metrics": {name: _history(client, run.info.run_id, name) for name in run.data.metrics},
                "inputs": [json.loads(json.dumps(one.to_dictionary())) for one in run.inputs.dataset_inputs],
                "artifacts": artifact_digests(run.info.artifact_uri),
                "models": [_model(client, one.model_id, one.step) for one in run.outputs.model_outputs],
            }
    return contents


def _history(client: MlflowClient, run: str, name: str) -> list[tuple[int, int, float]]:
    return sorted((one.step, one.timestamp, one.value) for one in client.get_metric_history(run, name))


def _model(client: MlflowClient, model_id: str, step: int) -> dict[str, Any]:
    model = client.get_logged_model(model_id)
    metrics = sorted((one.key, one.value, one.step) for one in model.metrics or [])
    fields = (model.model_id, model.name, str(model.status), model.params, model.tags, metrics, model.source_run_id)
    return {
        "step": step,
        "fields": fields,
        "files": artifact_digests(model.artifact_location),
    }


def artifact_digests(address: str) -> dict[str, str]:
    """Return the digests of the files at an artifact address, as MLflow downloads them, by path."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    if not get_artifact_repository(address).list_artifacts():
        return {}
    return file_digests(Path(download_artifacts(artifact_uri=address)))


def file_digests(folder: Path) -> dict[str, str]:
    """Return the digest of each file below a folder, by path; of each folder, the word "folder"."""
    return {str(path.relative_to(folder)): _digest(path) for path in sorted(folder.rglob("*"))}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"


def merge_outputs(places: list[Path], store: Path) -> MergeResult:
    """Merge as the commands do, but into a prepared store, since MLflow takes seconds to create one."""
    if not store.exists():
        create_store(store)
        (store / outputs.MARKER_FILE).write_text(importlib.metadata.version("mlflow"))
    found_outputs, skipped_outputs = outputs.find(places)
    result = merge(found_outputs, store)
    return replace(result, skipped=[*skipped_outputs, *result.skipped])


def load_runs(places: list[Path], store: Path) -> list[Run]:
    return runs.load(merge_outputs(places, store).store)


def start_run(client: MlflowClient, **tags: str) -> str:
    """Create a run with one metric value; return its id."""
    run = client.create_run("0", tags=tags)
    client.log_metric(run.info.run_id, "val_accuracy", 0.5, step=1)
    return str(run.info.run_id)


def table_rows(store: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of each table, sorted, by the table's name."""
    with closing(sqlite3.connect(store)) as connection:
        return {name: sorted(connection.execute(f"SELECT * FROM {name}"), key=repr) for name in table_names(connection)}


def table_names(connection: sqlite3.Connection) -> Iterator[str]:
    yield from (
        name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    )

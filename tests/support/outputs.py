"""Outputs as jobs leave them, and all that MLflow's own client tells of a store."""

import hashlib
import importlib.metadata
import json
import os
import pickle
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities import ViewType

from support.entry import PROJECT
from trialmaker.analysis.store import outputs
from trialmaker.analysis.store.merging import MergeResult, merge
from trialmaker.tracking import sqlite_store

OURS = {"trialmaker.output"}  # tags that a merge adds
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


def make(root: Path) -> None:
    """Outputs ``<root>/moved/<job>/output``, by the real command at the same time, which were moved there.

    ``told.pickle`` holds what MLflow told of them where they were made.
    """
    made = root / "made"
    environments = {name: os.environ | {"AI_ROOT": str(made / name)} for name in JOBS}
    processes = [
        subprocess.Popen(
            [sys.executable, "train.py", *words],
            cwd=PROJECT,
            env=environments[name],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for name, words in JOBS.items()
    ]
    assert [process.wait(timeout=200) for process in processes] == [0, 0, 0]
    everything = union([made / name / "output" for name in JOBS])
    made.rename(root / "moved")
    (root / "moved" / "told.pickle").write_bytes(pickle.dumps(everything))


def moved(root: Path, folder: Path) -> list[Path]:
    """Copies of the outputs in another folder, as they are downloaded: ``<folder>/V0001``, …"""
    return [Path(shutil.copytree(root / name / "output", folder / name)) for name in JOBS]


def told(store: Path) -> dict[str, dict[str, Any]]:
    """By run, what MLflow tells of it, artifacts and models to the last byte."""
    client = MlflowClient(f"sqlite:///{store}")
    found = {}
    for experiment in client.search_experiments(ViewType.ALL):
        for run in client.search_runs([experiment.experiment_id], run_view_type=ViewType.ALL, max_results=5000):
            found[run.info.run_id] = {
                "experiment": experiment.name,
                "info": (
                    run.info.run_name,
                    run.info.status,
                    run.info.start_time,
                    run.info.end_time,
                    run.info.lifecycle_stage,
                ),
                "params": run.data.params,
                "tags": {name: value for name, value in run.data.tags.items() if name not in OURS},
                "metrics": {name: _history(client, run.info.run_id, name) for name in run.data.metrics},
                "inputs": [json.loads(json.dumps(one.to_dictionary())) for one in run.inputs.dataset_inputs],
                "artifacts": contents(run.info.artifact_uri),
                "models": [_model(client, one.model_id, one.step) for one in run.outputs.model_outputs],
            }
    return found


def _history(client: MlflowClient, run: str, name: str) -> list[tuple[int, int, float]]:
    return sorted((one.step, one.timestamp, one.value) for one in client.get_metric_history(run, name))


def _model(client: MlflowClient, model_id: str, step: int) -> dict[str, Any]:
    model = client.get_logged_model(model_id)
    metrics = sorted((one.key, one.value, one.step) for one in model.metrics or [])
    return {
        "step": step,
        "told": (model.model_id, model.name, str(model.status), model.params, model.tags, metrics, model.source_run_id),
        "files": contents(model.artifact_location),
    }


def contents(address: str) -> dict[str, str]:
    """Digests of the files at an artifact address, as MLflow finds them."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    if not get_artifact_repository(address).list_artifacts():
        return {}
    return tree(Path(download_artifacts(artifact_uri=address)))


def tree(folder: Path) -> dict[str, str]:
    """Digests of all files below a folder, with empty folders."""
    return {str(path.relative_to(folder)): _digest(path) for path in sorted(folder.rglob("*"))}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"


def merged(places: list[Path], store: Path) -> MergeResult:
    """As the commands do it, in a store that was made already: MLflow takes seconds to make one."""
    if not store.exists():
        empty(store)
        (store / outputs.MARKER_FILE).write_text(importlib.metadata.version("mlflow"))
    found, skipped = outputs.find(places)
    done = merge(found, store)
    return MergeResult(done.store, done.outputs, done.runs, [*skipped, *done.skipped])


def union(places: list[Path]) -> dict:
    return {run: what for place in places for run, what in told(place / "mlflow.db").items()}


@lru_cache
def template() -> bytes:
    """An empty store."""
    with tempfile.TemporaryDirectory() as folder:
        sqlite_store.create(Path(folder, "mlflow.db"))
        return Path(folder, "mlflow.db").read_bytes()


def empty(folder: Path) -> None:
    """A new store in a folder, with its artifacts beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mlflow.db").write_bytes(template())
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        connection.execute("UPDATE experiments SET artifact_location = ?", ((folder / "mlartifacts" / "0").as_uri(),))
        connection.commit()


def store_in(folder: Path) -> MlflowClient:
    """A client of a new store."""
    empty(folder)
    return MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")


def begun(client: MlflowClient, **tags: str) -> str:
    run = client.create_run("0", tags=tags)
    client.log_metric(run.info.run_id, "val_accuracy", 0.5, step=1)
    return str(run.info.run_id)


def rows(store: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every table's rows."""
    with closing(sqlite3.connect(store)) as connection:
        return {name: sorted(connection.execute(f"SELECT * FROM {name}"), key=repr) for name in tables(connection)}


def tables(connection: sqlite3.Connection) -> Iterator[str]:
    yield from (
        name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    )

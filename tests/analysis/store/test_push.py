"""``push``: what a team's MLflow server has afterwards, compared with what the outputs have."""

import hashlib
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric

from support.entry import PROJECT
from support.outputs import moved, store_in
from support.servers import free_port, postgresql, running
from trialmaker.cli import main

SERVED = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


@contextmanager
def server(folder: Path, database: str | None = None) -> Iterator[str]:
    """A team's server, on SQLite unless another database is named; its address."""
    port = free_port()
    folder.mkdir(exist_ok=True)
    store = database or f"sqlite:///{folder / 'team.db'}"
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store, f"--port={port}", "--workers=1"]
    with running([*command, "--artifacts-destination", str(folder / "artifacts")], folder, os.environ | SERVED):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with server(tmp_path_factory.mktemp("team")) as address:
        yield address


@pytest.fixture
def push(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(places: list[Path], to: str) -> str:
        code = main.main(["push", *map(str, places), "--to", to, "--store", str(tmp_path / "merged")])
        captured = capsys.readouterr()
        assert code == (2 if "error:" in captured.err else 0), captured.err
        return (captured.err or captured.out).strip()

    return run


def seen(client: MlflowClient, folder: Path) -> dict[str, Any]:
    """By the run's own id, all that there is of it; ids of runs and models as they are where it was made."""
    runs = [
        run for one in client.search_experiments() for run in client.search_runs([one.experiment_id], max_results=1000)
    ]
    ids = {run.info.run_id: run.data.tags.get("trialmaker.source_run_id", run.info.run_id) for run in runs}
    found = {}
    for run in runs:
        number = run.info.run_id
        tags = {name: ids.get(value, value) for name, value in run.data.tags.items()}
        ours = ("trialmaker.output", "trialmaker.source_run_id", "trialmaker.pushed")
        (folder / number).mkdir(parents=True)
        if client.list_artifacts(number):
            client.download_artifacts(number, "", str(folder / number))
        found[ids[number]] = {
            "info": (run.info.run_name, run.info.status, run.info.start_time, run.info.end_time),
            "experiment": client.get_experiment(run.info.experiment_id).name,
            "params": run.data.params,
            "tags": {name: value for name, value in tags.items() if name not in ours},
            "metrics": {name: points(client, number, name) for name in run.data.metrics},
            "inputs": [
                (one.dataset.to_dictionary(), [(t.key, t.value) for t in one.tags]) for one in run.inputs.dataset_inputs
            ],
            "artifacts": files(folder / number),
            "models": [model(client, one.model_id, one.step, ids) for one in run.outputs.model_outputs],
        }
    return found


def points(client: MlflowClient, run: str, name: str) -> list[tuple[int, int, str]]:
    return sorted((one.step, one.timestamp, repr(one.value)) for one in client.get_metric_history(run, name))


def files(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def model(client: MlflowClient, number: str, step: int, ids: dict[str, str]) -> dict[str, Any]:
    one = client.get_logged_model(number)
    told = {name: value for name, value in one.tags.items() if name != "trialmaker.source_model_id"}
    metrics = sorted((m.key, m.value, m.step, m.dataset_name or "") for m in one.metrics or [])
    listed = sorted(entry.path for entry in client.list_logged_model_artifacts(number))
    return {
        "model": (one.name, str(one.status), one.params, told, metrics, ids[one.source_run_id], step),
        "files": listed,
    }


@pytest.fixture
def places(jobs: Path, tmp_path: Path) -> list[Path]:
    return moved(jobs, tmp_path / "downloads")


def expected(jobs: Path, folder: Path) -> dict[str, Any]:
    """As it was where it was made: addresses there are put right by hand."""
    found = {}
    for place in moved(jobs, folder / "places"):
        made = str(jobs.with_name("made") / place.name / "output")
        with closing(sqlite3.connect(place / "mlflow.db")) as connection:
            for table, column in (("runs", "artifact_uri"), ("logged_models", "artifact_location")):
                connection.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (made, str(place)))
            connection.commit()
        found |= seen(MlflowClient(f"sqlite:///{place / 'mlflow.db'}"), folder)
    return found


def test_everything_arrives_once(team: str, jobs: Path, places: list[Path], push: Any, tmp_path: Path) -> None:
    assert push(places, team) == f"{team}: 6 runs brought, 0 were there"
    assert push(places, team) == f"{team}: 0 runs brought, 6 were there"
    client = MlflowClient(team)
    wanted = expected(jobs, tmp_path / "wanted")
    assert seen(client, tmp_path / "there") == wanted
    assert any("trialmaker.best_run_id" in run["tags"] for run in wanted.values())

    source = MlflowClient(f"sqlite:///{places[0] / 'mlflow.db'}")  # what changes afterwards is brought too
    (run,) = source.search_runs(["1"])
    source.set_tag(run.info.run_id, "mlflow.note.content", "the good one")
    source.log_metric(run.info.run_id, "val_accuracy", 0.5, step=9)
    (artifact,) = places[0].rglob("artifacts/resolved_config.yaml")
    artifact.write_bytes(artifact.read_bytes()[::-1])  # of the same length
    assert push(places, team) == f"{team}: 1 runs brought, 5 were there"
    there = seen(client, tmp_path / "again")[run.info.run_id]
    assert there["tags"]["mlflow.note.content"] == "the good one"
    assert [step for step, _, _ in there["metrics"]["val_accuracy"]][-1] == 9
    assert there["artifacts"]["resolved_config.yaml"] == hashlib.sha256(artifact.read_bytes()).hexdigest()
    assert there["models"] == wanted[run.info.run_id]["models"]
    assert push(places, team) == f"{team}: 0 runs brought, 6 were there"


def test_odd_values_and_many_points(team: str, push: Any, tmp_path: Path) -> None:
    client = store_in(tmp_path / "odd")
    experiment = client.create_experiment("odd", (tmp_path / "odd" / "mlartifacts" / "odd").as_uri())
    run = client.create_run(experiment, run_name="odd ü", start_time=5).info.run_id
    values = [float("nan"), float("inf"), -1e300, 0.1 + 0.2] * 600
    for at in range(0, 2400, 800):
        client.log_batch(run, [Metric("m", value, at + n, at + n) for n, value in enumerate(values[at : at + 800])])
    client.log_text(run, "", "empty/file.txt")
    client.log_text(run, "x", "deep/er/ü b.txt")
    wanted = seen(client, tmp_path / "wanted")[run]
    client.log_text(run, "x", "odd#name.txt")  # which MLflow's client can't read back
    out = push([tmp_path / "odd"], team)
    assert out.startswith("skipped ") and "odd#name.txt: MLflow's client can't send a name with %, # or ?" in out
    assert seen(MlflowClient(team), tmp_path / "there")[run] == wanted
    assert wanted["info"][1] == "RUNNING" and len(wanted["metrics"]["m"]) == 2400
    client.set_terminated(run, "FAILED", end_time=77)
    push([tmp_path / "odd"], team)
    assert seen(MlflowClient(team), tmp_path / "later")[run]["info"] == ("odd ü", "FAILED", 5, 77)


def test_a_push_that_is_killed_is_gone_on_with(jobs: Path, places: list[Path], push: Any, tmp_path: Path) -> None:
    with server(tmp_path / "team") as address:
        command = [sys.executable, "-m", "trialmaker", "push", *map(str, places), "--to", address]
        draw = random.Random(0)
        for _ in range(2):
            process = subprocess.Popen(
                [*command, "--store", str(tmp_path / "merged")], cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=-3
            )
            time.sleep(draw.uniform(3, 6))
            process.kill()
            process.wait()
        push(places, address)
        assert push(places, address) == f"{address}: 0 runs brought, 6 were there"
        assert seen(MlflowClient(address), tmp_path / "there") == expected(jobs, tmp_path / "wanted")


def test_a_server_on_postgresql(jobs: Path, places: list[Path], push: Any, tmp_path: Path) -> None:
    with postgresql() as database, server(tmp_path / "team", database) as address:
        assert push(places, address) == f"{address}: 6 runs brought, 0 were there"
        assert push(places, address) == f"{address}: 0 runs brought, 6 were there"
        assert seen(MlflowClient(address), tmp_path / "there") == expected(jobs, tmp_path / "wanted")


@pytest.mark.parametrize(
    ("to", "line"),
    [
        ("http://127.0.0.1:9", "http://127.0.0.1:9: push failed: API request to "),
        ("http://me:secret@127.0.0.1:9", "http://***@127.0.0.1:9: push failed: "),
        (
            "postgresql://me:secret@host/db",
            "--to postgresql://***@host/db: must be an address http://… of an MLflow server",
        ),
        ("http://[::1", "--to http://[::1: must be an address http://… of an MLflow server"),
        ("http://", "--to http://: must be an address http://… of an MLflow server"),
    ],
)
def test_a_server_that_cannot_be_used_is_one_line(places: list[Path], push: Any, to: str, line: str) -> None:
    said = push(places, to)
    assert said.startswith(f"trialmaker: error: {line}") and "\n" not in said and "secret" not in said

"""``push``: the contents of a team's MLflow server afterwards, compared with those of the outputs."""

import hashlib
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import LoggedModelStatus, Metric, Run

from support.entry import PROJECT
from support.outputs import copy_outputs, create_store
from support.servers import mlflow_server, postgresql
from support.waiting import wait_until
from trialmaker.cli.main import main


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with mlflow_server(tmp_path_factory.mktemp("team")) as address:
        yield address


@pytest.fixture
def push(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(outputs: list[Path], to: str) -> str:
        code = main(["push", *map(str, outputs), "--to", to, "--store", str(tmp_path / "merged")])
        captured = capsys.readouterr()
        assert code == (2 if "error:" in captured.err else 0), captured.err
        return (captured.err or captured.out).strip()

    return run


def server_runs(client: MlflowClient) -> list[Run]:
    """Return the runs of all experiments."""
    experiments = [one.experiment_id for one in client.search_experiments()]
    return list(client.search_runs(experiments, max_results=1000))


def read_server(client: MlflowClient, folder: Path) -> dict[str, Any]:
    """Return all that a client returns of each run; ids of runs and models are those in the output."""
    runs = server_runs(client)
    ids = {run.info.run_id: run.data.tags.get("trialmaker.source_run_id", run.info.run_id) for run in runs}
    contents = {}
    for run in runs:
        number = run.info.run_id
        tags = {name: ids.get(value, value) for name, value in run.data.tags.items()}
        push_tags = ("trialmaker.output", "trialmaker.source_run_id", "trialmaker.pushed")
        (folder / number).mkdir(parents=True)
        if client.list_artifacts(number):
            client.download_artifacts(number, "", str(folder / number))
        contents[ids[number]] = {
            "info": (run.info.run_name, run.info.status, run.info.start_time, run.info.end_time),
            "experiment": client.get_experiment(run.info.experiment_id).name,
            "params": run.data.params,
            "tags": {name: value for name, value in tags.items() if name not in push_tags},
            "metrics": {name: points(client, number, name) for name in run.data.metrics},
            "inputs": [
                (one.dataset.to_dictionary(), [(t.key, t.value) for t in one.tags]) for one in run.inputs.dataset_inputs
            ],
            "artifacts": files(folder / number),
            "models": [model(client, one.model_id, one.step, ids) for one in run.outputs.model_outputs],
        }
    return contents


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
    tags = {name: value for name, value in one.tags.items() if name != "trialmaker.source_model_id"}
    metrics = sorted((m.key, m.value, m.step, m.dataset_name or "") for m in one.metrics or [])
    listed = sorted(entry.path for entry in client.list_logged_model_artifacts(number))
    return {
        "model": (one.name, str(one.status), one.params, tags, metrics, ids[one.source_run_id], step),
        "files": listed,
    }


def expected_contents(jobs: Path, folder: Path) -> dict[str, Any]:
    """Return the contents of the outputs, read where the addresses in their stores are corrected by hand."""
    contents = {}
    for output in copy_outputs(jobs, folder / "places"):
        first_place = str(jobs.with_name("made") / output.name / "output")
        with closing(sqlite3.connect(output / "mlflow.db")) as connection:
            for table, column in (("runs", "artifact_uri"), ("logged_models", "artifact_location")):
                connection.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (first_place, str(output)))
            connection.commit()
        contents |= read_server(MlflowClient(f"sqlite:///{output / 'mlflow.db'}"), folder)
    return contents


def assert_equal(there: dict[str, Any], expected: dict[str, Any]) -> None:
    """Compare run by run and part by part, so that a failure can be read."""
    assert there.keys() == expected.keys()
    for run, parts in expected.items():
        assert {run: parts.keys()} == {run: there[run].keys()}
        for part, content in parts.items():
            assert (run, part, there[run][part]) == (run, part, content)


def test_a_push_that_is_killed_is_resumed_and_all_runs_are_pushed_once(
    team: str, jobs: Path, copies: list[Path], push: Any, tmp_path: Path
) -> None:
    client = MlflowClient(team)
    command = [sys.executable, "-m", "trialmaker", "push", *map(str, copies), "--to", team]
    for stage in (bool, lambda run: run.data.metrics):  # some run is there, and has metrics
        process = subprocess.Popen(
            [*command, "--store", str(tmp_path / "merged")], cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=-3
        )
        wait_until(lambda stage=stage: any(map(stage, server_runs(client))))
        process.kill()
        process.wait()
        assert not all("trialmaker.pushed" in run.data.tags for run in server_runs(client))
    push(copies, team)
    assert push(copies, team) == f"{team}: 0 runs brought, 6 were there"
    originals = expected_contents(jobs, tmp_path / "originals")
    assert_equal(read_server(client, tmp_path / "there"), originals)
    assert any("trialmaker.best_run_id" in run["tags"] for run in originals.values())

    source = MlflowClient(f"sqlite:///{copies[0] / 'mlflow.db'}")  # later changes are pushed too
    (run,) = source.search_runs(["1"])
    source.set_tag(run.info.run_id, "mlflow.note.content", "the good one")
    source.log_metric(run.info.run_id, "val_accuracy", 0.5, step=9)
    (artifact,) = copies[0].rglob("artifacts/resolved_config.yaml")
    artifact.write_bytes(artifact.read_bytes()[::-1])  # of the same length
    assert push(copies, team) == f"{team}: 1 runs brought, 5 were there"
    there = read_server(client, tmp_path / "again")[run.info.run_id]
    assert there["tags"]["mlflow.note.content"] == "the good one"
    assert [step for step, _, _ in there["metrics"]["val_accuracy"]][-1] == 9
    assert there["artifacts"]["resolved_config.yaml"] == hashlib.sha256(artifact.read_bytes()).hexdigest()
    assert there["models"] == originals[run.info.run_id]["models"]
    assert push(copies, team) == f"{team}: 0 runs brought, 6 were there"


def test_no_file_of_elsewhere_is_pushed(team: str, push: Any, tmp_path: Path) -> None:
    """A colleague's output whose addresses and links lead to the reader's own files."""
    secrets = tmp_path / "home" / ".ssh"
    secrets.mkdir(parents=True)
    (secrets / "id_rsa").write_text("PRIVATE KEY")
    output = tmp_path / "received"
    source = create_store(output)
    first, second = (source.create_run("0", run_name=name).info.run_id for name in ("address", "links"))
    models = [source.create_logged_model("0", "net", run) for run in (first, second)]
    for run, model in zip((first, second), models, strict=True):
        source.log_text(run, "mine", "folder/notes.txt")
        source.log_model_artifact(model.model_id, __file__, "code")
        source.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    for folder in (*output.rglob("folder"), *output.rglob("code")):
        (folder / "key").symlink_to(secrets / "id_rsa")
        (folder.parent / "all").symlink_to(secrets)
    with closing(sqlite3.connect(output / "mlflow.db")) as connection, connection:
        for table, column, key, own in (
            ("runs", "artifact_uri", "run_uuid", first),
            ("logged_models", "artifact_location", "model_id", models[0].model_id),
        ):
            connection.execute(f"UPDATE {table} SET {column} = ? WHERE {key} = ?", (secrets.as_uri(), own))
    lines = push([output], team).splitlines()
    assert lines[0].startswith("left out: the artifacts of 2 of the runs and models: ")
    assert lines[1].startswith("left out: 4 links and pipes among the artifacts")
    client = MlflowClient(team)
    runs = [run for run in server_runs(client) if run.info.run_name in ("address", "links")]
    assert len(runs) == 2
    for run in runs:
        (folder := tmp_path / run.info.run_id).mkdir()
        listed = client.list_artifacts(run.info.run_id)
        if listed:
            client.download_artifacts(run.info.run_id, "", str(folder))
        names = [path.name for path in folder.rglob("*") if path.is_file()]
        assert names == (["notes.txt"] if run.info.run_name == "links" else [])
        (model,) = client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run.info.run_id}'")
        names = [entry.path for entry in client.list_logged_model_artifacts(model.model_id, "code")]
        assert names == (["code/test_push.py"] if run.info.run_name == "links" else [])


def test_odd_values_and_many_points(team: str, push: Any, tmp_path: Path) -> None:
    client = create_store(tmp_path / "odd")
    experiment = client.create_experiment("odd", (tmp_path / "odd" / "mlartifacts" / "odd").as_uri())
    run = client.create_run(experiment, run_name="odd ü", start_time=5).info.run_id
    values = [float("nan"), float("inf"), -1e300, 0.1 + 0.2] * 600
    for at in range(0, 2400, 800):
        client.log_batch(run, [Metric("m", value, at + n, at + n) for n, value in enumerate(values[at : at + 800])])
    client.log_text(run, "", "empty/file.txt")
    client.log_text(run, "x", "deep/er/ü b.txt")
    originals = read_server(client, tmp_path / "originals")[run]
    client.log_text(run, "x", "odd#name.txt")  # which MLflow's client can't read back
    out = push([tmp_path / "odd"], team)
    assert out.startswith("skipped ") and "odd#name.txt: MLflow's client can't send a name with %, # or ?" in out
    assert read_server(MlflowClient(team), tmp_path / "there")[run] == originals
    assert originals["info"][1] == "RUNNING" and len(originals["metrics"]["m"]) == 2400
    client.set_terminated(run, "FAILED", end_time=77)
    push([tmp_path / "odd"], team)
    assert read_server(MlflowClient(team), tmp_path / "later")[run]["info"] == ("odd ü", "FAILED", 5, 77)


def test_a_server_on_postgresql(jobs: Path, copies: list[Path], push: Any, tmp_path: Path) -> None:
    with postgresql() as database, mlflow_server(tmp_path / "team", database) as address:
        assert push(copies, address) == f"{address}: 6 runs brought, 0 were there"
        assert push(copies, address) == f"{address}: 0 runs brought, 6 were there"
        assert_equal(
            read_server(MlflowClient(address), tmp_path / "there"), expected_contents(jobs, tmp_path / "originals")
        )


@pytest.mark.parametrize(
    ("to", "line"),
    [
        ("http://me:secret@127.0.0.1:9", "http://***@127.0.0.1:9: push failed: "),
        (
            "postgresql://me:secret@host/db",
            "--to postgresql://***@host/db: must be an address http://… of an MLflow server",
        ),
        ("http://[::1", "--to http://[::1: must be an address http://… of an MLflow server"),
        ("http://", "--to http://: must be an address http://… of an MLflow server"),
    ],
)
def test_a_server_that_cannot_be_used_is_one_line(copies: list[Path], push: Any, to: str, line: str) -> None:
    message = push(copies, to)
    assert message.startswith(f"trialmaker: error: {line}") and "\n" not in message and "secret" not in message

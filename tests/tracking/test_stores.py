"""Where a run is recorded: the store that ``tracking.uri`` names, and its artifacts in the output."""

import shutil
from pathlib import Path

import mlflow
import pytest

from support.entry import SMALL, Train
from trialmaker.experiment.run_messages import comparison_advice


@pytest.mark.parametrize("name", ["/tmp/elsewhere", "../..", "Größe 二", "a%b?c"])
def test_artifacts_of_any_experiment_lie_in_the_output(train: Train, name: str) -> None:
    result = train(*SMALL, f"tracking.experiment='{name}'")
    assert result.code == 0, result.err
    (run,) = result.runs()
    client = mlflow.MlflowClient(f"sqlite:///{result.output / 'mlflow.db'}")
    assert client.get_experiment(run.info.experiment_id).name == name
    (folder,) = (result.output / "mlartifacts").iterdir()
    assert run.info.artifact_uri.startswith(folder.as_uri())


def test_any_tracking_uri_by_one_override(train: Train, tmp_path: Path) -> None:
    elsewhere = tmp_path / "team.db"
    result = train(*SMALL, f"tracking.uri=sqlite:///{elsewhere}", "tracking.experiment=ours")
    assert result.code == 0, result.err
    assert not (result.output / "mlflow.db").exists()
    runs = mlflow.MlflowClient(f"sqlite:///{elsewhere}").search_runs(["1"])
    assert [run.info.status for run in runs] == ["FINISHED"]
    assert runs[0].info.artifact_uri.startswith((result.output / "mlartifacts" / "ours").as_uri())


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("uri", ["nonsense://x", "sqlite:////proc/nowhere.db"])
def test_a_store_that_cannot_be_used_is_one_line(train: Train, uri: str) -> None:
    result = train(*SMALL, f"tracking.uri={uri}")
    assert result.code == 2 and "epoch=1 " not in result.out
    assert result.err.startswith(f"train.py: error: MLflow tracking at {uri} failed: ")
    assert len(result.err.splitlines()) == 1


# ---- MLflow's own environment variables


def test_mlflows_variables_are_defaults_and_a_line_says_so(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    team = f"sqlite:///{tmp_path / 'team.db'}"
    variables = {
        "MLFLOW_TRACKING_URI": team,
        "MLFLOW_EXPERIMENT_NAME": "ours",
        "MLFLOW_RUN_NAME": "night",
        "MLFLOW_EXPERIMENT_ID": "77",  # of no experiment: where MLflow's own functions would write
        "MLFLOW_RUN_ID": "0" * 32,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    result = train(*SMALL, "training.epochs=1")
    assert result.code == 0, result.err
    assert (
        f"\nfrom the environment: tracking.uri={team} (MLFLOW_TRACKING_URI),"
        " tracking.experiment=ours (MLFLOW_EXPERIMENT_NAME), name=night (MLFLOW_RUN_NAME);"
        " an explicit value would win\n"
    ) in result.out
    assert result.out.endswith(f" in {team}; to compare runs: mlflow ui --backend-store-uri {team}\n")
    client = mlflow.MlflowClient(team)
    experiment = client.get_experiment_by_name("ours")
    assert experiment
    (run,) = client.search_runs([experiment.experiment_id])
    (model,) = client.search_logged_models([experiment.experiment_id])
    assert (run.info.run_name, run.info.status, model.source_run_id) == ("night", "FINISHED", run.info.run_id)
    assert not (result.output / "mlflow.db").exists()


@pytest.mark.usefixtures("patient")
def test_an_explicit_value_wins(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nonsense://me:hunter2@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "ours")
    monkeypatch.setenv("MLFLOW_RUN_NAME", "")  # as if it were not set
    result = train(*SMALL, "training.epochs=1", "tracking.uri=null")
    assert result.code == 0, result.err
    (line,) = [line for line in result.out.splitlines() if line.startswith("from the environment: ")]
    assert line.startswith("from the environment: tracking.experiment=ours (MLFLOW_EXPERIMENT_NAME); ")
    (run,) = result.runs()
    assert run.info.run_name.startswith("mlp ")
    shutil.rmtree(result.output)
    result = train(*SMALL, "training.epochs=1", "tracking.experiment=mine")
    assert (result.code, "hunter2" in result.out + result.err) == (2, False)
    assert "\nfrom the environment: tracking.uri=nonsense://***@127.0.0.1:9 (MLFLOW_TRACKING_URI); " in result.out


@pytest.mark.parametrize(
    ("uri", "output", "advice"),
    [
        (None, "{root}/output", "; to compare runs: make ui"),
        (None, "/data/my runs", "; to compare runs: python -m trialmaker ui '/data/my runs'"),
        ("http://mlflow.team:5000", "{root}/output", "; to compare runs: http://mlflow.team:5000"),
        ("https://me:secret@mlflow.team/", "/x", "; to compare runs: https://***@mlflow.team/"),
        ("sqlite:////data/team.db", "/x", "; to compare runs: mlflow ui --backend-store-uri sqlite:////data/team.db"),
        (
            "postgresql+psycopg2://me:secret@host/db",
            "/x",
            "; to compare runs: mlflow ui --backend-store-uri 'postgresql+psycopg2://***@host/db'",
        ),
        ("databricks", "/x", ""),
    ],
)
def test_the_advice_fits_the_store(
    uri: str | None, output: str, advice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AI_ROOT", str(tmp_path))
    assert comparison_advice("runs", uri, Path(output.format(root=tmp_path))) == advice

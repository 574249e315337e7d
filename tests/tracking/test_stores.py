"""Where a run is recorded: the store that ``tracking.uri`` names, and its artifacts in the output."""

from pathlib import Path

import mlflow
import pytest

from support.entry import SMALL, Train


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


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "nonsense://x", "sqlite:////proc/nowhere.db"])
def test_a_store_that_cannot_be_used_is_one_line(train: Train, uri: str) -> None:
    result = train(*SMALL, f"tracking.uri={uri}")
    assert result.code == 2
    assert result.err.startswith(f"train.py: error: MLflow tracking at {uri} failed: ")
    assert len(result.err.splitlines()) == 1

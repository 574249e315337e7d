"""A study's result in its MLflow run, which each command that goes on with the study brings up to date."""

import math
from pathlib import Path

import optuna
import pytest
from optuna.trial import create_trial

from optuna_sweep.storage import open_storage
from support.stores import create_store
from trialmaker.tracking import study as study_run
from trialmaker.tracking.messages import Start, StudyDone


def test_test_metrics_of_a_trial_that_is_the_best_no_more_are_withdrawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, storage = create_store(tmp_path), f"sqlite:///{tmp_path}/studies.db"
    study = optuna.create_study(storage=open_storage(storage), study_name="s", direction="maximize")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    start = Start(uri, tmp_path, "e", "s", tmp_path, tmp_path, {}, "a: 1\n", 2.0, run_key="k", study="s")

    def metrics(value: float | None, tested: dict[str, float], time: int) -> dict[str, float]:
        if value:
            study.add_trial(create_trial(value=value))
        run = study_run.record(client, StudyDone(start, storage, tested, "val_accuracy"), time)
        return client.get_run(run).data.metrics

    first = {"best_val_accuracy": 0.9, "test_accuracy": 0.8, "test_loss": 0.5}
    assert metrics(0.9, {"test_accuracy": 0.8, "test_loss": 0.5}, 1) == first
    assert metrics(0.7, {}, 2) == first
    better = metrics(0.95, {}, 3)
    assert better["best_val_accuracy"] == 0.95
    assert math.isnan(better["test_accuracy"]) and math.isnan(better["test_loss"])
    assert metrics(0.97, {"test_accuracy": 0.85, "test_loss": 0.4}, 4)["test_accuracy"] == 0.85

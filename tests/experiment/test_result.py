"""``logs/<run>/result.json``: what a program reads of a run, however the run ended."""

import json
import os
import shlex
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from support.entry import SMALL, Train
from trialmaker.analysis.training_command import run_training
from trialmaker.platform.run_result import RunResult, read_result, run_results


def results(output: Path) -> list[dict[str, Any]]:
    """The runs' results, as they lie there."""
    return [json.loads(path.read_text()) for path in sorted((output / "logs").rglob("result.json"))]


def test_a_run_that_ended(train: Train) -> None:
    began = time.monotonic()
    done = train(*SMALL, "training.epochs=1")
    (result,) = results(done.output)
    (run,) = done.runs()
    best = json.loads((done.output / "model" / "best.json").read_text())
    assert result["status"] == "finished" and result["message"] == ""
    assert result["command"] == shlex.join(["python", "train.py", *SMALL, "training.epochs=1"])
    assert result["objective"] == "val_accuracy"
    assert result["best_epoch"] == best["epoch"] == 1
    assert result["best_metrics"] | result["test_metrics"] == best["metrics"]
    assert set(result["test_metrics"]) == {"test_loss", "test_accuracy"} and result["trial"] is None
    assert result["mlflow_run_id"] == run.info.run_id
    assert (result["model_version"], result["model_directory"]) == (1, "model/1")
    assert 0 < result["seconds"] <= time.monotonic() - began and result["process_id"] == os.getpid()
    assert timedelta() <= datetime.now(UTC) - datetime.fromisoformat(result["started_at"]) < timedelta(minutes=10)


def test_a_run_that_is_no_better_names_its_own_model(train: Train) -> None:
    train(*SMALL)
    done = train(*SMALL, "training.epochs=1")
    worse = results(done.output)[1]
    assert (worse["status"], worse["model_version"]) == ("finished", None)
    assert (done.output / worse["model_directory"] / "saved_model.pb").is_file()


def test_a_run_that_failed(train: Train) -> None:
    done = train(*SMALL, "optimizer=sgd", "optimizer.learning_rate=1e30", "training.label_smoothing=0.1")
    assert done.code == 2
    (result,) = results(done.output)
    assert result["status"] == "failed" and "lower optimizer.learning_rate" in result["message"]
    assert done.err == f"train.py: error: {result['message']}\n"
    assert result["mlflow_run_id"] == done.runs()[0].info.run_id and result["model_version"] is None


def test_a_config_that_is_refused_leaves_a_result_without_secrets(train: Train) -> None:
    done = train(*SMALL, "training.epochs=0", "tracking.uri=https://me:s3cret@127.0.0.1:1")
    assert done.code == 2
    assert not list((done.output / "logs").rglob("result.json"))  # refused before there is a run
    done = train(*SMALL, "training.max_seconds=1", "tracking.uri=https://me:s3cret@127.0.0.1:1")
    (result,) = results(done.output)
    assert result["status"] == "failed" and "training.max_seconds=1" in result["message"]
    assert "s3cret" not in json.dumps(result)


def test_the_runs_of_a_multirun_have_one_each(train: Train) -> None:
    began = time.monotonic()
    done = train("-m", *SMALL, "training.epochs=1", "seed=1,2")
    both = [result for _, result in run_results(done.output)]
    assert [result.status for result in both] == ["finished", "finished"]
    assert [result.command.rpartition(" ")[2] for result in both] == ["seed=1", "seed=2"]
    assert sum(result.seconds for result in both) <= time.monotonic() - began


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"status": "finished"}', "\x00"])
def test_what_is_no_result_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "result.json"
    path.write_text(text)
    assert read_result(path) is None and read_result(tmp_path) is None


def test_fields_of_a_later_version_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps({"command": "c", "status": "finished", "colour": "red"}))
    assert (read_result(path) or RunResult("")).status == "finished"


def test_who_starts_a_training_reads_its_result_wherever_the_run_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AI_ROOT", str(tmp_path))
    folder = tmp_path / "own" / "experiment"
    folder.mkdir(parents=True)
    elsewhere = tmp_path / "else where"
    (folder / "mine.yaml").write_text(f"# @package _global_\noutput: {elsewhere}\n")
    lines: list[str] = []
    run_dir = f"hydra.run.dir='{elsewhere}/run'"
    code, result = run_training(
        ["--config-dir", str(folder.parent), "experiment=mine", *SMALL, "training.epochs=1", run_dir], lines.append
    )
    assert code == 0 and result and result.status == "finished"
    assert json.loads((elsewhere / "run" / "result.json").read_text())["mlflow_run_id"] == result.mlflow_run_id
    assert any(line.startswith("best epoch=1 ") for line in lines)
    assert run_training(["modle=mlp"]) == (2, None)

"""MLflow after a run: what it holds, and that its status is right however the run ended."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from support.entry import PROJECT, SMALL, Result, Train
from support.servers import free_port, run_server
from support.waiting import HANG_SECONDS, wait_until

FIGURES = ("learning_curves", "confusion_matrix", "per_class", "confident_errors")
KERAS_NAMES = {"loss", "accuracy", "val_loss", "val_accuracy"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """One short run, as a process of its own: the tests below look at what it left."""
    root, described = tmp_path_factory.mktemp("finished"), ("note=why", "tags.team=a")
    done = subprocess.run(
        [sys.executable, "train.py", *SMALL, "training.epochs=3", "tracking.system_metrics_seconds=0.2", *described],
        cwd=PROJECT,
        env=os.environ | {"AI_ROOT": str(root), "TRIALMAKER_SECRET": "hunter2"},
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return Result(done.returncode, done.stdout, done.stderr, root / "output")


def client(result: Result) -> mlflow.MlflowClient:
    return mlflow.MlflowClient(f"sqlite:///{result.output / 'mlflow.db'}")


def artifacts(result: Result, folder: str = "") -> set[str]:
    (run,) = result.runs()
    return {file.path for file in client(result).list_artifacts(run.info.run_id, folder)}


def test_a_run_has_all_config_values_as_flat_params(finished: Result) -> None:
    (run,) = finished.runs()
    assert run.info.status == "FINISHED"
    expected = {
        "model.hidden_units": "[8]",
        "optimizer.learning_rate": "0.001",
        "training.max_examples": "256",
        "data.name": "digits",
        "seed": "0",
        "tracking.experiment": "digits",
    }
    assert expected.items() <= run.data.params.items()
    assert client(finished).get_experiment(run.info.experiment_id).name == "digits"


def test_a_run_has_metrics_of_each_epoch_and_of_the_machine(finished: Result) -> None:
    (run,) = finished.runs()
    for name in (*KERAS_NAMES, "learning_rate", "examples_per_second", "seconds"):
        history = client(finished).get_metric_history(run.info.run_id, name)
        assert [metric.step for metric in history] == [1, 2, 3], name
    lines = [line for line in finished.out.splitlines() if line.startswith("epoch=3 ")]
    assert (
        f"val_loss={run.data.metrics['val_loss']:.4f} val_accuracy={run.data.metrics['val_accuracy']:.4f}" in lines[0]
    )
    assert {"test_loss", "test_accuracy", "best_epoch", "best_val_accuracy"} <= set(run.data.metrics)
    points = {
        name: [(one.step, one.value) for one in client(finished).get_metric_history(run.info.run_id, name)]
        for name in ("val_accuracy", "best_val_accuracy", "best_epoch")
    }
    values = [value for _, value in points["val_accuracy"]]
    bests = [(at + 1, value) for at, value in enumerate(values) if value > max(values[:at], default=-1.0)]
    assert points["best_val_accuracy"] == bests and points["best_epoch"] == [(step, step) for step, _ in bests]
    assert {"system/cpu_utilization_percentage", "system/system_memory_usage_megabytes"} <= set(run.data.metrics)


def test_a_run_names_its_data_with_a_digest(finished: Result) -> None:
    (run,) = finished.runs()
    (used,) = run.inputs.dataset_inputs
    assert used.dataset.name == "digits" and len(used.dataset.digest) == 36
    best = json.loads((finished.output / "model" / "best.json").read_text())
    assert best["data_digest"].startswith(used.dataset.digest) and best["run_id"] == run.info.run_id
    assert json.loads(used.dataset.source)["tags"]["train"] == "1168"  # of the whole, as the digest is


def test_a_run_names_its_commit_and_what_differs_from_it(finished: Result) -> None:
    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=PROJECT, capture_output=True, text=True, check=True).stdout

    (run,) = finished.runs()
    assert run.data.tags["mlflow.source.git.commit"] == git("rev-parse", "HEAD").strip()
    assert run.data.tags["trialmaker.git.uncommitted"] == ("yes" if git("status", "--porcelain") else "no")


def test_a_run_has_its_config_log_versions_and_pictures(finished: Result) -> None:
    (run,) = finished.runs()
    assert artifacts(finished) == {
        "config",
        "metrics",
        "pictures",
        "requirements.txt",
        "resolved_config.yaml",
        "train.log",
    }
    assert artifacts(finished, "config") == {"config/config.yaml", "config/hydra.yaml", "config/overrides.yaml"}
    folder = Path(client(finished).download_artifacts(run.info.run_id, ""))
    assert "- model.hidden_units=[8]" in (folder / "config" / "overrides.yaml").read_text()
    assert "best epoch=" in (folder / "train.log").read_text()
    assert f"mlflow=={mlflow.__version__}" in (folder / "requirements.txt").read_text()
    for name in FIGURES:
        pixels = np.asarray(Image.open(folder / "pictures" / f"{name}.png").convert("L"))
        assert pixels.shape[0] > 200 and pixels.std() > 10, name


def test_a_run_resolves_interpolations_in_its_config(finished: Result) -> None:
    (run,) = finished.runs()
    config = Path(client(finished).download_artifacts(run.info.run_id, "resolved_config.yaml"))
    assert "${" not in config.read_text()


def test_the_best_model_is_an_mlflow_model(finished: Result) -> None:
    (run,) = finished.runs()
    (output,) = run.outputs.model_outputs
    model = client(finished).get_logged_model(output.model_id)
    assert (model.source_run_id, model.experiment_id) == (run.info.run_id, run.info.experiment_id)
    mlflow.set_tracking_uri(f"sqlite:///{finished.output / 'mlflow.db'}")
    loaded = mlflow.pyfunc.load_model(f"models:/{output.model_id}")
    assert str(loaded.metadata.signature.inputs) == "[Tensor('float32', (-1, 28, 28, 1))]"
    example = loaded.input_example
    assert example.shape == (1, 28, 28, 1) and example.max() <= 1.0
    probabilities = loaded.predict(np.repeat(example, 3, axis=0))
    assert probabilities.shape == (3, 10)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-5)


def test_a_run_has_the_scores_of_its_classes(finished: Result) -> None:
    (run,) = finished.runs()
    table = Path(client(finished).download_artifacts(run.info.run_id, "metrics/per_class.csv"))
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [row["class"] for row in rows] == list("0123456789")
    recalls, supports = ([float(row[name]) for row in rows] for name in ("recall", "support"))
    right = sum(recall * support for recall, support in zip(recalls, supports, strict=True))
    assert right / sum(supports) == pytest.approx(run.data.metrics["test_accuracy"], abs=1e-6)
    assert run.data.metrics["test_macro_recall"] == pytest.approx(sum(recalls) / 10, abs=1e-6)


def test_tensorboard_shows_training_and_validation_in_one_chart(finished: Result) -> None:
    (folder,) = (finished.output / "tensorboard").iterdir()
    train, validation, test = (read_events(folder / name) for name in ("train", "validation", "test"))
    others = {"learning_rate", "examples_per_second", "seconds", "step_loss", "step_accuracy"}
    assert set(train.Tags()["tensors"]) == {"loss", "accuracy"} | others
    assert set(validation.Tags()["tensors"]) == {"loss", "accuracy"}
    (run,) = finished.runs()
    for events in (train, validation):
        assert [event.step for event in events.Tensors("loss")] == [1, 2, 3]
    (tested,) = test.Tensors("accuracy")
    assert (tested.step, float(make_ndarray(tested.tensor_proto))) == (
        run.data.metrics["best_epoch"],
        pytest.approx(run.data.metrics["test_accuracy"]),
    )
    for name in FIGURES:
        (image,) = test.Images(name)
        artifact = client(finished).download_artifacts(run.info.run_id, f"pictures/{name}.png")
        assert (image.step, image.encoded_image_string) == (tested.step, Path(artifact).read_bytes())


def test_tensorboard_has_the_runs_hparams(finished: Result) -> None:
    from tensorboard.plugins.hparams import metadata

    (folder,) = (finished.output / "tensorboard").iterdir()
    events = read_events(folder)
    content = events.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
    start = metadata.parse_session_start_info_plugin_data(content)
    (run,) = finished.runs()
    assert start.group_name == f"{run.info.run_name} ({folder.name})"
    values = {name: getattr(value, str(value.WhichOneof("kind"))) for name, value in start.hparams.items()}
    expected = {
        "model.hidden_units": "[8]",
        "model.batch_norm": False,
        "optimizer.learning_rate": 0.001,
        "training.epochs": 3,
    }
    assert expected.items() <= values.items()
    assert not {"output", "data.directory", "training.patience", "tracking.uri"} & set(values)
    assert not {"name", "note", "tags.team"} & set(values)
    best = events.Tensors("best_val_accuracy")[-1]
    assert float(make_ndarray(best.tensor_proto)) == pytest.approx(run.data.metrics["best_val_accuracy"])


def read_events(directory: Path) -> EventAccumulator:
    events = EventAccumulator(str(directory), size_guidance={"images": 0})
    events.Reload()
    return events


def test_nothing_of_the_environment_is_recorded(finished: Result) -> None:
    for path in finished.output.rglob("*"):
        assert not path.is_file() or b"hunter2" not in path.read_bytes(), path


def test_a_run_that_the_person_got_wrong_is_failed_with_its_reason(train: Train) -> None:
    result = train(*SMALL, "optimizer=sgd", "optimizer.learning_rate=1e30", "training.epochs=2")
    (run,) = result.runs()
    assert (result.code, run.info.status) == (2, "FAILED")
    assert result.err.startswith("train.py: error: loss became ")
    assert run.data.tags["trialmaker.end"] == "UserError: " + result.err.removeprefix("train.py: error: ").strip()


def test_a_run_whose_process_is_killed_is_killed_in_mlflow_too(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "train.py", *SMALL, "training.epochs=100000"],
        cwd=PROJECT,
        env=os.environ | {"AI_ROOT": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    result = Result(-signal.SIGKILL, "", "", tmp_path / "output")
    wait_until((result.output / "model" / "best.json").exists)
    process.kill()
    assert process.wait(timeout=HANG_SECONDS) == result.code
    wait_until(lambda: [run for run in result.runs() if run.info.status != "RUNNING"])
    (run,) = result.runs()
    assert run.info.status == "KILLED"
    assert "State at" in (result.output / "index.html").read_text()
    assert client(result).get_metric_history(run.info.run_id, "val_loss")[0].step == 1
    values = [one.value for one in client(result).get_metric_history(run.info.run_id, "val_accuracy")]
    assert run.data.metrics["best_val_accuracy"] == max(values)


def test_modules_in_the_current_directory_are_not_taken_for_pythons_own(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "queue.py").write_text("raise ImportError('shadowed')")
    monkeypatch.chdir(tmp_path)
    result = train(*SMALL)
    assert result.code == 0, result.err


def test_mlflow_serves_the_model(finished: Result, tmp_path: Path) -> None:
    """``mlflow models serve``, and a request in its own form."""
    (run,) = finished.runs()
    (output,) = run.outputs.model_outputs
    port = free_port()
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": f"sqlite:///{finished.output / 'mlflow.db'}",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", f"models:/{output.model_id}"]
    with run_server([*command, f"--port={port}", "--env-manager", "local"], tmp_path, environment):
        answer = wait_for_answer(f"http://127.0.0.1:{port}/invocations")
    assert np.asarray(answer["predictions"]).shape == (2, 10)


def wait_for_answer(address: str) -> dict:
    import urllib.error
    import urllib.request

    body = json.dumps({"inputs": np.zeros((2, 28, 28, 1)).tolist()}).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    deadline = time.monotonic() + 90
    while True:
        try:
            with urllib.request.urlopen(request, timeout=HANG_SECONDS) as response:
                return json.load(response)
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)

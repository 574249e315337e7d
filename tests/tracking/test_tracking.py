"""MLflow after a run: what it holds, and that its status is right however the run ended."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import mlflow
import numpy as np
import pytest
from PIL import Image

from support.entry import PROJECT, SMALL, Result, Train
from trialmaker.tracking import client as tracking_client
from trialmaker.tracking import figures, messages

KERAS_NAMES = {"loss", "accuracy", "val_loss", "val_accuracy"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """One short run, as a process of its own: the tests below look at what it left."""
    root = tmp_path_factory.mktemp("finished")
    done = subprocess.run(
        [sys.executable, "train.py", *SMALL, "training.epochs=3", "tracking.system_metrics_seconds=0.2"],
        cwd=PROJECT,
        env=os.environ | {"AI_ROOT": str(root), "TRIALMAKER_SECRET": "hunter2"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return Result(done.returncode, done.stdout, done.stderr, root / "output")


def client(result: Result) -> mlflow.MlflowClient:
    return mlflow.MlflowClient(f"sqlite:///{result.output / 'mlflow.db'}")


def artifacts(result: Result, folder: str = "") -> set[str]:
    (run,) = result.runs()
    return {found.path for found in client(result).list_artifacts(run.info.run_id, folder)}


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
    for name in ("learning_curves", "confusion_matrix", "confident_errors"):
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


def test_tensorboard_event_files_are_in_the_output(finished: Result) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (folder,) = (finished.output / "tensorboard").iterdir()
    events = EventAccumulator(str(folder))
    events.Reload()
    names = set(events.Tags()["tensors"])
    assert KERAS_NAMES | {"learning_rate", "examples_per_second", "seconds"} == names
    assert [event.step for event in events.Tensors("val_loss")] == [1, 2, 3]


def test_nothing_of_the_environment_is_recorded(finished: Result) -> None:
    for path in finished.output.rglob("*"):
        assert not path.is_file() or b"hunter2" not in path.read_bytes(), path


def test_a_run_that_the_person_got_wrong_is_failed_with_its_reason(train: Train) -> None:
    result = train(*SMALL, "optimizer=sgd", "optimizer.learning_rate=1e30", "training.epochs=2")
    (run,) = result.runs()
    assert (result.code, run.info.status) == (2, "FAILED")
    assert result.err.startswith("train.py: error: loss became ")
    assert run.data.tags["trialmaker.end"] == "UserError: " + result.err.removeprefix("train.py: error: ").strip()


@pytest.mark.parametrize(("how", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_is_stopped_is_killed_in_mlflow_too(tmp_path: Path, how: signal.Signals, code: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "train.py", *SMALL, "training.epochs=100000"],
        cwd=PROJECT,
        env=os.environ | {"AI_ROOT": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    result = Result(code, "", "", tmp_path / "output")
    wait_until((result.output / "model" / "best.json").exists)
    process.send_signal(how)
    assert process.wait(timeout=60) == code
    wait_until(lambda: result.runs()[0].info.status != "RUNNING")
    (run,) = result.runs()
    assert run.info.status == "KILLED"
    assert client(result).get_metric_history(run.info.run_id, "val_loss")[0].step == 1


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_modules_in_the_current_directory_are_not_taken_for_pythons_own(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "queue.py").write_text("raise ImportError('shadowed')")
    monkeypatch.chdir(tmp_path)
    result = train(*SMALL)
    assert result.code == 0, result.err


@pytest.mark.parametrize("name", ["/tmp/elsewhere", "../..", "Größe 二", "a%b?c"])
def test_artifacts_of_any_experiment_lie_in_the_output(train: Train, name: str) -> None:
    result = train(*SMALL, f"tracking.experiment='{name}'")
    assert result.code == 0, result.err
    (run,) = result.runs()
    assert client(result).get_experiment(run.info.experiment_id).name == name
    (folder,) = (result.output / "mlartifacts").iterdir()
    assert run.info.artifact_uri.startswith(folder.as_uri())


def test_class_names_are_no_formulas() -> None:
    names = ("$^$", r"$\frac$")
    tested = messages.Tested(
        np.zeros((2, 4, 4, 1), np.uint8), np.array([0, 1]), np.eye(2, dtype=np.float32)[::-1], names
    )
    for figure in (figures.confusion_matrix(tested), figures.confident_errors(tested)):
        figure.savefig(io.BytesIO())


def test_any_tracking_uri_by_one_override(train: Train, tmp_path: Path) -> None:
    elsewhere = tmp_path / "team.db"
    result = train(*SMALL, f"tracking.uri=sqlite:///{elsewhere}", "tracking.experiment=ours")
    assert result.code == 0, result.err
    assert not (result.output / "mlflow.db").exists()
    found = mlflow.MlflowClient(f"sqlite:///{elsewhere}").search_runs(["1"])
    assert [run.info.status for run in found] == ["FINISHED"]
    assert found[0].info.artifact_uri.startswith((result.output / "mlartifacts" / "ours").as_uri())


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "nonsense://x", "sqlite:////proc/nowhere.db"])
def test_a_store_that_cannot_be_used_is_one_line(train: Train, uri: str) -> None:
    result = train(*SMALL, f"tracking.uri={uri}")
    assert result.code == 2
    assert result.err.startswith(f"train.py: error: MLflow tracking at {uri} failed: ")
    assert len(result.err.splitlines()) == 1


def test_mlflow_serves_the_model(finished: Result) -> None:
    """``mlflow models serve``, and a request in its own form."""
    (run,) = finished.runs()
    (output,) = run.outputs.model_outputs
    port = "18743"
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": f"sqlite:///{finished.output / 'mlflow.db'}",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", f"models:/{output.model_id}", "-p", port]
    server = subprocess.Popen(
        [*command, "--env-manager", "local"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        answer = wait_for_answer(f"http://127.0.0.1:{port}/invocations")
    finally:
        server.terminate()
        server.wait(timeout=30)
    assert np.asarray(answer["predictions"]).shape == (2, 10)


def wait_for_answer(address: str) -> dict:
    import urllib.error
    import urllib.request

    body = json.dumps({"inputs": np.zeros((2, 28, 28, 1)).tolist()}).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    deadline = time.monotonic() + 90
    while True:
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return json.load(response)
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def test_trials_that_end_faster_than_mlflow_writes_are_all_there(tmp_path: Path) -> None:
    output = tmp_path / "output"
    output.mkdir()
    for number in range(12):
        start = messages.Start(None, output, "e", f"trial {number}", output, PROJECT, {}, "", 2.0, "study", number)
        with tracking_client.Tracker(start) as tracker:
            tracker.send(messages.Metrics(1, {"val_accuracy": number / 10}))
    tracking_client._workers.pop().close()
    found = [run for run in Result(0, "", "", output).runs() if "trialmaker.trial" in run.data.tags]
    assert [run.data.metrics["val_accuracy"] for run in found] == [number / 10 for number in range(12)]
    assert {run.info.status for run in found} == {"FINISHED"}


def test_a_store_that_was_half_made_when_its_process_was_killed_is_made_anew(tmp_path: Path) -> None:
    output = tmp_path / "output"
    output.mkdir()
    start = messages.Start(None, output, "e", "run", output, PROJECT, {}, "", 2.0)
    for _ in range(2):
        tracker = tracking_client.Tracker(start)
        deadline = time.monotonic() + 60
        while not list(output.glob(".mlflow.db.new")):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(0.2)
        tracker.worker.process.kill()
        tracking_client._workers.pop().close()
        assert not (output / "mlflow.db").exists()
    with tracking_client.Tracker(start):
        pass
    tracking_client._workers.pop().close()
    (run,) = Result(0, "", "", output).runs()
    assert run.info.status == "FINISHED"


def test_the_tracking_process_ends_with_a_process_that_was_killed(tmp_path: Path) -> None:
    script = """
import os, sys
from pathlib import Path
from trialmaker.tracking.client import Tracker
from trialmaker.tracking.messages import Start
output = Path(sys.argv[1])
tracker = Tracker(Start(None, output, "e", "run", output, output, {}, "", 2.0))
tracker.run_id
print(tracker.worker.process.pid, flush=True)
os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=60)
    pid, deadline = int(done.stdout), time.monotonic() + 20
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert [run.info.status for run in Result(0, "", "", tmp_path).runs()] == ["KILLED"]


def test_processes_that_start_together_share_a_new_store(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from trialmaker.tracking.client import Tracker
from trialmaker.tracking.messages import Start
output = Path(sys.argv[1])
with Tracker(Start(None, output, "e", "run", output, output, {}, "", 2.0)):
    pass
"""
    commands = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path)]) for _ in range(3)]
    assert [command.wait(timeout=120) for command in commands] == [0, 0, 0]
    assert [run.info.status for run in Result(0, "", "", tmp_path).runs()] == ["FINISHED"] * 3

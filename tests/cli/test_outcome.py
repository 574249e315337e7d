"""What a job finds, and what it leaves for who looks at its output alone."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from optuna_sweep.trial import NoTrial
from support.entry import PROJECT, SMALL, Result, Train
from support.failures import causes
from support.stopping import stopped_at
from support.stores import create_store
from support.waiting import HANG_SECONDS, wait_until
from trialmaker.cli.main import main
from trialmaker.cli.outcome import TrainOutcome
from trialmaker.experiment.context import RunContext
from trialmaker.platform import paths
from trialmaker.platform.bilingual_texts import split_line
from trialmaker.platform.monitored_metrics import MONITORS, curves
from trialmaker.platform.run_result import RunResult, read_result, run_results
from trialmaker.platform.signals import SHUTDOWN_SECONDS, Signals

README = (PROJECT / "README.md").read_text(encoding="utf-8")
TINY = (*SMALL, "training.epochs=1")


def give(result_or_root: Path, name: str, *files: str) -> Path:
    """An input of that name, with these files."""
    folder = result_or_root / "input" / name
    folder.mkdir(parents=True)
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()
    return folder


# ---- success and failure


def test_success_or_failure_lies_in_the_output_at_the_end(train: Train) -> None:
    result = train(*TINY)
    assert result.code == 0, result.err
    assert (result.output / "success").exists() and not (result.output / "failure").exists()
    train("--cfg=job", "model=mlp")
    assert (result.output / "success").exists(), "a look at the config is no job"
    result = train("--lr", "fast", "--modle", "cnn")
    assert result.code == 2
    assert causes(result.output) == [
        "--lr fast: must be a number",
        "--modle cnn: there is no such field or group; did you mean model?",
    ]
    assert not (result.output / "success").exists()


def test_the_failure_of_a_bug_has_its_traceback(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("division by\nzero")

    monkeypatch.setattr("trialmaker.training.program_cache.prepare_program", broken)
    result = train(*TINY)
    cause, *traceback = (result.output / "failure").read_text().splitlines()
    assert (result.code, split_line(cause)[0]) == (1, "ZeroDivisionError: division by zero")
    assert traceback[0].startswith("Traceback") and "broken" in "".join(traceback)
    assert [run.info.status for run in result.runs()] == ["FAILED"]


# ---- the opening lines


def test_the_log_opens_with_what_runs_on_what_with_what(train: Train, tmp_path: Path) -> None:
    give(tmp_path, "notes", "a.txt", "b.txt")
    result = train("--hidden-units", "4,5", *TINY[:1], "training.epochs=1")
    opening = result.out.partition("\nstep ")[0]
    for expected in (
        r"^TrialMaker \d+\.\d+\.\d+, commit [0-9a-f]{10}( with uncommitted changes)?, Python 3\.\d+\.\d+$",
        r"^machine: Linux \w+, \d+ cores?, [\d.]+ GB of memory$",
        rf"^root: {re.escape(str(tmp_path))}; input/notes: 2 entries, not used$",
        r"^to repeat this run: python train.py 'model.hidden_units=\[4,5\]' data=digits training.epochs=1$",
        r"^what differs from the defaults:$",
        r"^  data=digits                             model.hidden_units=\[4,5\]$",
        r"^  training.epochs=1$",
        r"^TensorFlow 2\.\S+, devices: CPU:0",
    ):
        assert re.search(expected, opening, re.MULTILINE), expected
    assert "activation=" not in result.out
    (file,) = (result.output / "logs").glob("*/train.log")
    assert "INFO model: name='mlp' hidden_units=[4, 5] activation='relu'" in file.read_text()


def test_secrets_are_not_printed(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.setattr("trialmaker.tracking.client.START_SECONDS", 120.0)
    result = train(*TINY, "tracking.uri=nonsense://me:hunter3@127.0.0.1:9")
    assert result.code == 2
    told = result.out + result.err + (result.output / "failure").read_text()
    assert "MLflow tracking at nonsense://***@127.0.0.1:9 failed" in told
    assert "hunter" not in told
    assert not [path for path in result.output.rglob("*") if path.is_file() and b"hunter" in path.read_bytes()]


# ---- inputs


def test_only_progress_looks_like_a_metric(train: Train) -> None:
    result = train(*TINY, "tracking.experiment=accuracy test", "training.log_every_steps=4")
    assert result.code == 0, result.err
    values = curves(result.out.splitlines())["training accuracy"]
    assert values and all(float(value) <= 1 for value in values)


def test_config_files_of_a_person_are_choices_and_defaults(train: Train, tmp_path: Path) -> None:
    folder = give(tmp_path, "config", "experiment/mine.yaml", "model/wide.yaml")
    (folder / "model" / "wide.yaml").write_text("defaults: [mlp]\nhidden_units: [7, 9]\n")
    (folder / "experiment" / "mine.yaml").write_text(
        "# @package _global_\ndefaults: [{override /model: wide}]\nseed: 5\n"
    )
    result = train("--experiment", "mine", "debug=smoke", "training.epochs=1")
    assert result.code == 0, result.err
    (run,) = result.runs()
    assert (run.data.params["seed"], run.data.params["model.hidden_units"]) == ("5", "[7, 9]")
    result = train("--experiment", "mien")
    assert "did you mean mine" in result.err


def test_a_mistake_in_a_persons_config_file_is_a_line(train: Train, tmp_path: Path) -> None:
    folder = give(tmp_path, "config", "experiment/mine.yaml")
    path = folder / "experiment" / "mine.yaml"
    path.write_text("# @package _global_\ntraining: {epoch: 3}\n")
    result = train("experiment=mine")
    line = f"train.py: error: {path}: training.epoch: there is no such field; did you mean training.epochs?\n"
    assert (result.code, result.err) == (2, line)


def test_a_config_file_that_ours_would_hide_is_refused(train: Train, tmp_path: Path) -> None:
    folder = give(tmp_path, "config", "model/cnn.yaml")
    result = train("model=cnn")
    assert (result.code, result.err) == (
        2,
        f"train.py: error: {folder / 'model' / 'cnn.yaml'}: TrialMaker has a config file of that name: rename yours\n",
    )


@pytest.mark.parametrize(
    ("name", "text", "mistake"),
    [
        ("model/wide.yml", "", "Hydra reads .yaml files only: rename it"),
        ("mine.yaml", "seed: 1", "belongs in a folder named for its group, such as experiment/ or model/"),
        ("experiment/mine.yaml", "seed: 1", "its first line must be '# @package _global_', so that it may change"),
        ("model/wide.yaml", "- 1", "expected names and values, received a ListConfig"),
        ("model/wide.yaml", "a: [", "cannot be read as YAML: "),
    ],
)
def test_a_config_file_that_would_not_be_read_is_a_line(
    train: Train, tmp_path: Path, name: str, text: str, mistake: str
) -> None:
    path = give(tmp_path, "config", name) / name
    path.write_text(text)
    result = train(*TINY)
    assert result.code == 2
    assert result.err.startswith(f"train.py: error: {path}: {mistake}") and result.err.count("\n") == 1


def test_an_apostrophe_in_the_root_is_no_matter(train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "it's"
    path = give(root, "config", "model/wide.yaml") / "model" / "wide.yaml"
    path.write_text("defaults: [mlp]\nhidden_units: [7]\n")
    monkeypatch.setattr(paths, "root", lambda: root)
    result = train("--cfg", "job", "model=wide")
    assert result.code == 0 and "- 7\n" in result.out


def test_an_instance_that_does_not_come_is_named_and_a_file_that_says_nothing_is_shown(
    train: Train, tmp_path: Path
) -> None:
    path = tmp_path / "config" / "resource.json"
    path.parent.mkdir()
    path.write_text('["127.0.0.1", "203.0.113.1"]')
    result = train(*TINY, "training.instances_seconds=0.5")
    assert "names 2 instances, 127.0.0.1:2222, 203.0.113.1:2222; this is instance 1 of 2" in result.out
    assert (result.code, result.err) == (
        2,
        "train.py: error: instance 2 of 2 (203.0.113.1:2222) has not come within 0.5 s: start the job again, give"
        " training.instances_seconds more, or train on the first alone with instances=ignore\n",
    )
    assert causes(tmp_path / "output") == [result.err.removeprefix("train.py: error: ").rstrip()]
    result = train(*TINY, "training.instance_index=1", "instances=ignore")
    assert result.code == 0 and "the first instance trains alone; this one has nothing to do" in result.out
    assert not (tmp_path / "output" / "success").exists()
    path.write_text("{")
    result = train(*TINY)
    assert result.code == 2 and result.err.startswith(f"train.py: error: {path}: is no JSON (Expecting")
    assert result.err.count("\n") == 1 and (tmp_path / "output" / "failure").exists()


# ---- init_model: see test_initial_weights.py for the files it takes


def test_init_model_starts_from_the_weights_of_an_earlier_job(train: Train, tmp_path: Path) -> None:
    first = train(*SMALL, "seed=1", "training.epochs=5")
    (tmp_path / "input").mkdir()
    shutil.move(first.output, tmp_path / "input" / "init_model")
    result = train(*TINY, "seed=2", "optimizer=sgd", "optimizer.learning_rate=1e-9")
    assert result.code == 0, result.err
    earlier = json.loads((tmp_path / "input" / "init_model" / "model" / "best.json").read_text())
    assert f"starts from the weights of {tmp_path}/input/init_model/model/{earlier['version']}\n" in result.out
    now = json.loads((result.output / "model" / "best.json").read_text())
    assert now["metrics"]["val_loss"] == pytest.approx(earlier["metrics"]["val_loss"], rel=1e-4)
    result = train("debug=smoke", "model.hidden_units=[8,8]")
    assert result.code == 2
    assert re.search(r"init_model=\S+: layer hidden_2/kernel has another shape: .* there, ", result.err)


# ---- signals


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_job_in_order(train: Train, tmp_path: Path, how: signal.Signals) -> None:
    with stopped_at(tmp_path / "output", "epoch=3 ", how):
        result = train(*SMALL, "training.epochs=100000")
    assert result.code == 128 + how
    (failure,) = causes(result.output)
    best = json.loads((result.output / "model" / "best.json").read_text())
    assert re.fullmatch(
        rf"stopped by {how.name} at epoch \d+, step \d+;"
        rf" best val_accuracy={best['metrics']['val_accuracy']:.4f} of epoch {best['epoch']};"
        r" the same command goes on from there",
        failure,
    )
    assert result.err == f"train.py: {failure}\n"
    where = failure.partition("; the same command")[0]
    (run,) = result.runs()
    assert (run.info.status, run.data.tags["trialmaker.end"]) == ("KILLED", f"Stopped: {where}")
    (left,) = [result for _, result in run_results(result.output)]
    assert (left.status, left.message, left.test_metrics) == ("stopped", where, {})
    assert (left.best_epoch, left.best_metrics) == (best["epoch"], best["metrics"])
    assert (left.mlflow_run_id, left.model_directory) == (run.info.run_id, f"model/{best['version']}")


def test_a_signal_before_the_first_step_counts_too_and_a_second_one_ends_at_once(tmp_path: Path) -> None:
    with started(tmp_path, *SMALL) as process:
        wait_for_line(process, "what differs")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=HANG_SECONDS) == 143
    assert causes(tmp_path / "output") == ["stopped by SIGTERM before the first step"]
    with started(tmp_path, *SMALL, "training.epochs=100000") as process:
        wait_for_line(process, "epoch=1 ")
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        assert process.wait(timeout=HANG_SECONDS) in (143, 130)
    assert time.monotonic() - began < SHUTDOWN_SECONDS  # after which the first one ends it at once too


def test_a_process_that_ends_at_once_leaves_why_and_the_runs_result(tmp_path: Path) -> None:
    signals = Signals()
    outcome = TrainOutcome(0.0, signals, [])
    outcome.outputs = {tmp_path}
    outcome.context = RunContext(tmp_path, NoTrial(), 0.0, signals, RunResult("c"))
    signals.fail_now("stopped by SIGTERM at epoch 3")
    assert causes(tmp_path) == ["stopped by SIGTERM at epoch 3"]
    left = read_result(tmp_path / "result.json")
    assert left and (left.status, left.message) == ("stopped", "stopped by SIGTERM at epoch 3")


def started(root: Path, *arguments: str) -> "subprocess.Popen[str]":
    if not (root / "output").exists():
        create_store(root / "output")
    return subprocess.Popen(
        [sys.executable, "train.py", *arguments],
        cwd=PROJECT,
        env=platform_environment(root),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def platform_environment(root: Path) -> dict[str, str]:
    bare = {"AI_ROOT": str(root), "PATH": "/usr/bin:/bin", "HOME": str(root)}
    return bare | {"TF_XLA_FLAGS": os.environ["TF_XLA_FLAGS"]}  # where the tests keep what XLA has compiled


def wait_for_line(process: "subprocess.Popen[str]", beginning: str) -> None:
    for line in process.stdout or ():
        if line.startswith(beginning):
            return
    raise AssertionError(f"no line began with {beginning!r}: {process.stderr and process.stderr.read()}")


def test_a_tracking_server_that_hangs_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with started(tmp_path, *SMALL, "training.epochs=100000", f"tracking.uri={uri}") as process:
            wait_for_line(process, "epoch=2 ")
            wait_until((tmp_path / "output" / "model" / "best.json").exists)
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=HANG_SECONDS) == 143
    assert (tmp_path / "output" / "failure").read_text().startswith("stopped by SIGTERM ")
    best = json.loads((tmp_path / "output" / "model" / "best.json").read_text())
    assert (best["run_id"], best["metrics"]["val_accuracy"] > 0) == ("", True)


def test_the_limit_of_a_multirun_counts_for_each_run(train: Train) -> None:
    limits = ("training.max_seconds=3", "training.margin_seconds=0")
    result = train("-m", "seed=1,2", *SMALL, "training.epochs=100000", *limits)
    assert result.code == 0, result.err
    assert result.out.count(" of 100000 by training.max_seconds=3.0\n") == 2
    assert all(run.seconds >= 3 for _, run in run_results(result.output))  # a second run whose time is over takes less


def test_a_multirun_over_outputs_says_in_each_how_it_ended(train: Train, tmp_path: Path) -> None:
    train("-m", *TINY, f"output={tmp_path / 'a'},{tmp_path / 'b'}")
    assert (tmp_path / "a" / "success").exists() and (tmp_path / "b" / "success").exists()
    train("--output", str(tmp_path / "a"), "--lr", "fast")
    assert (tmp_path / "a" / "failure").exists() and not (tmp_path / "a" / "success").exists()


# ---- monitored metrics


def test_the_table_of_the_readme_is_that_of_the_code() -> None:
    for monitor in MONITORS:
        assert f"| {monitor.name} | `{monitor.expression}` | `{monitor.sample}` |" in README
        assert re.search(monitor.expression, monitor.sample)


def test_what_the_platform_reads_from_a_jobs_output_is_what_mlflow_holds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "--data digits --epochs 3 --schedule cosine"  # epochs of fewer steps than there are between two lines
    assert main(["job", "--args", words, "--output", str(tmp_path)]) == 0
    result = Result(0, capsys.readouterr().out, "", tmp_path / "V0001")
    log = result.out.partition("] TRAINING / ")[2].partition("monitored metrics, last values:")[0].splitlines()
    (run,) = result.runs()
    found = curves(log)
    for monitor in MONITORS:
        held = mlflow_history(result, run.info.run_id, monitor.metric)
        assert [float(value) for value in found[monitor.name]] == pytest.approx(held, abs=6e-5), monitor.name
        assert len(held) >= 3
        assert re.search(rf"^    {monitor.name} +{re.escape(found[monitor.name][-1])} ", result.out, re.MULTILINE)
    assert (result.output / "success").exists()
    places = re.findall(r"(?:best model: |sqlite:///)(/\S+)", result.out)
    assert len(places) == 2 and all(Path(place).exists() for place in places)
    assert "make ui" not in result.out and "python -m" not in result.out
    best = json.loads((result.output / "model" / "best.json").read_text())
    assert (result.output / "model" / str(best["version"]) / "saved_model.pb").exists()


def mlflow_history(result: Result, run_id: str, metric: str) -> list[float]:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{result.output / 'mlflow.db'}")
    return [entry.value for entry in client.get_metric_history(run_id, metric)]


def test_mistakes_end_a_job_before_tensorflow_is_imported(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "train.py", "--modle", "cnn", "--lr", "fast"],
        cwd=PROJECT,
        env=platform_environment(tmp_path),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "hydra" in done.stderr and not re.search(r"\| +(tensorflow|mlflow|keras|optuna)$", done.stderr, re.MULTILINE)
    assert (tmp_path / "output" / "failure").read_text().count("\n") == 2

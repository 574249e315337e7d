"""Studies as their person runs them: ``sweeps=mlp`` on a small part of the embedded digits."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import mlflow
import psutil
import pytest
from mlflow.entities import Run
from optuna import load_study
from optuna.trial import TrialState

from optuna_sweep.storage import open_storage
from support.entry import PROJECT, Result, Train, run_entry
from support.stopping import stopped_at
from support.stores import create_store
from support.waiting import wait_until
from trialmaker.analysis.recipe import write_recipe
from trialmaker.cli.main import main
from trialmaker.errors import UserError
from trialmaker.model_store import saved_model
from trialmaker.training import program_cache

QUICK = ("sweeps=mlp", "data=digits", "training.max_examples=512", "training.epochs=3")
SHAPES = "model.hidden_units=choice([8],[16])"


def runs(result: Result) -> tuple[list[Run], list[Run]]:
    """The study's runs, and its trials' in the order of their numbers."""
    found = result.runs()
    children = [run for run in found if "mlflow.parentRunId" in run.data.tags]
    children.sort(key=lambda run: int(run.data.tags["trialmaker.trial"]))
    return [run for run in found if run not in children], children


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Result:
    result = run_entry(tmp_path_factory.mktemp("study"), *QUICK, SHAPES, "hydra.sweeper.n_trials=14")
    assert result.code == 0, result.err
    return result


def test_a_study_is_a_run_with_its_trials_as_children(done: Result) -> None:
    parents, children = runs(done)
    (parent,) = parents
    assert parent.info.status == "FINISHED"
    assert len(children) == 14
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    for run in children:
        state, status = run.data.tags["trialmaker.trial_state"], run.info.status
        assert (state, status) in {("COMPLETE", "FINISHED"), ("PRUNED", "KILLED")}
        assert run.data.metrics["val_accuracy"] > 0 and "model.hidden_units" in run.data.params
    best = next(run for run in children if run.info.run_id == parent.data.tags["trialmaker.best_run_id"])
    assert best.data.tags["trialmaker.trial"] == parent.data.tags["trialmaker.best_trial"]
    values = [run.data.metrics["best_val_accuracy"] for run in children if run.info.status == "FINISHED"]
    assert best.data.metrics["best_val_accuracy"] == parent.data.metrics["best_val_accuracy"] == max(values)


def test_its_plots_lie_on_the_parent_and_need_no_network(done: Result) -> None:
    ((parent,), _) = runs(done)
    client = mlflow.MlflowClient(f"sqlite:///{done.output / 'mlflow.db'}")
    assert [file.path for file in client.list_artifacts(parent.info.run_id, "study")] == ["study/plots.html"]
    pages = list((done.output / "mlartifacts").rglob("*.html"))
    assert len(pages) == 1
    with pytest.importorskip("support.browser").open_page(1280, 800) as page:
        page.goto(pages[0].as_uri())
        assert page.locator("h1").inner_text() == "mlp_digits"
        assert page.locator("p").inner_text().startswith("14 trials, ")
        assert page.locator(".js-plotly-plot .ytitle").first.text_content() == "val_accuracy"
        assert page.locator(".js-plotly-plot").count() == 5


def test_importances_count_pruned_trials(done: Result) -> None:
    study = load_study(study_name="mlp_digits", storage=open_storage(str(done.output / "studies" / "mlp.log")))
    assert study.metric_names == ["val_accuracy"]
    pruned = sum(trial.state == TrialState.PRUNED for trial in study.trials)
    (line,) = (line for line in done.out.splitlines() if "importance" in line)
    text = f"importance, from 14 trials, {pruned} of them pruned, which count by their last value: "
    shares = re.findall(r"([\w.]+) (\d+)%", line.partition(text)[2])
    assert pruned and {name for name, _ in shares} == study.trials[0].params.keys()
    assert sum(int(share) for _, share in shares) == pytest.approx(100, abs=1)


def test_tensorboard_compares_its_trials(done: Result) -> None:
    """Each trial has one small file, with its params and the best value so far."""
    files = list((done.output / "tensorboard").rglob("events.*"))
    assert len({file.parent for file in files}) == len(files) == 14
    assert all(b"_hparams_/session_start_info" in file.read_bytes() for file in files)
    assert any(b"mlp_digits/3" in file.read_bytes() for file in files)  # its row's name
    assert all(b"best_val_accuracy" in file.read_bytes() for file in files)
    assert all(file.stat().st_size < 8000 for file in files)


def test_the_best_model_is_published_and_tested_once(done: Result) -> None:
    best = json.loads((done.output / "model" / "best.json").read_text())
    assert done.out.count("test_accuracy=") == 1
    assert f"test_accuracy={best['metrics']['test_accuracy']:.4f}" in done.out
    ((parent,), _) = runs(done)
    assert parent.data.metrics["test_accuracy"] == best["metrics"]["test_accuracy"]
    loaded = saved_model.load(done.output / "model" / str(best["version"]))
    assert len(loaded.class_names) == 10


def test_of_equal_trials_the_tested_one_is_named(train: Train) -> None:
    """The sweeper names the first one; the model of the lowest val_loss is published."""
    rates = "optimizer.learning_rate=choice(1e-9,1e-6)"
    shape = ("training.epochs=1", "model.hidden_units=[8]", "model.dropout_rate=0")
    result = train(*QUICK[:3], *shape, rates, "hydra/sweeper/sampler=grid", "hydra.sweeper.n_trials=2")
    assert "\nbest trial=0 " in result.out
    assert "\ntested: trial 1, the one with the lowest val_loss of 2 equal ones\n" in result.out
    assert " best trial=1 " in (result.output / "success").read_text()


def test_the_best_trial_is_a_command_and_a_recipe(
    done: Result, train: Train, copied_configs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["best", "mlp", "--output", str(done.output)]) == 0
    command = capsys.readouterr().out.strip()
    assert command.startswith("python train.py sweeps=mlp data=digits ") and command.endswith(" hydra.mode=RUN")
    assert f"to repeat it: {command}" in done.out
    assert main(["best", "mlp", "--output", str(done.output), "--write", "of_a_test"]) == 0
    shown = train("experiment=of_a_test", "--cfg", "job").out
    write_recipe("another", ["seed=3", "tracking.uri='https://me:secret@host'"])
    text = (copied_configs / "conf" / "experiment" / "another.yaml").read_text()
    assert "seed: 3" in text and "secret" not in text
    rate = re.search(r"optimizer.learning_rate=(\S+)", command)
    assert rate and f"learning_rate: {rate[1]}" in shown and "name: digits" in shown and "epochs: 3" in shown
    assert main(["best", "nothing", "--output", str(done.output)]) == 2
    assert "there are: mlp_digits\n" in capsys.readouterr().err
    assert main(["best", "mlp_digits", "--output", str(done.output)]) == 0
    assert capsys.readouterr().out.strip() == command
    assert main(["best", "mlp", "--output", str(done.output), "--trial", "3"]) == 0
    storage = open_storage(str(done.output / "studies" / "mlp.log"))
    third = load_study(study_name="mlp_digits", storage=storage).trials[3]
    assert f" optimizer.learning_rate={third.params['optimizer.learning_rate']} " in capsys.readouterr().out
    assert main(["best", "mlp", "--output", str(done.output), "--trial", "99"]) == 2
    assert "--trial 99: has not been run; the study has trials 0 to 13" in capsys.readouterr().err


def test_a_trial_that_diverges_is_marked_as_failed_everywhere(train: Train) -> None:
    result = train(*QUICK, "optimizer.learning_rate=choice(0.001,1e25)", "hydra/sweeper/sampler=grid",
                   "model.hidden_units=[8]", "model.dropout_rate=0", "hydra.sweeper.enqueue=[]",
                   "hydra.sweeper.max_failure_rate=0.5")  # fmt: skip
    assert result.code == 0, result.err
    ((parent,), children) = runs(result)
    found = {run.data.params["optimizer.learning_rate"]: run for run in children}
    assert found["1e+25"].info.status == "FAILED" and found["1e+25"].data.tags["trialmaker.trial_state"] == "FAIL"
    assert "trialmaker.end" in found["1e+25"].data.tags
    assert found["0.001"].info.status == "FINISHED"
    assert parent.data.tags["trialmaker.trials.FAIL"] == "1"
    assert re.search(r"trial \d FAIL UserError: (val_)?loss became (nan|inf)", result.out)


def test_a_study_does_not_adorn_itself_with_another_runs_model(train: Train) -> None:
    """Not even with one that is its trial's equal, to the last bit."""
    words = (*QUICK[:3], "training.epochs=1", "model.hidden_units=[8]")
    first_point = ("optimizer.learning_rate=0.003", "model.dropout_rate=0.1")
    best = (train(*words, *first_point, "hydra.mode=RUN").output / "model" / "best.json").read_text()
    result = train(*words, "hydra.sweeper.n_trials=1")
    assert result.code == 0, result.err
    value = json.loads(best)["metrics"]["val_accuracy"]
    assert f"\nbest trial=0 val_accuracy={value:.6g}\n" in result.out
    assert "not published: " in result.out and "test_accuracy=" not in result.out
    parents, _ = runs(result)
    assert "test_accuracy" not in next(run for run in parents if run.info.run_name == "mlp_digits").data.metrics
    assert (result.output / "model" / "best.json").read_text() == best


def test_trials_of_one_shape_share_compilation(train: Train) -> None:
    program_cache._program.cache_clear()
    result = train(*QUICK, SHAPES, "hydra.sweeper.n_trials=5", "model.dropout_rate=interval(0.1,0.5)",
                   "optimizer.weight_decay=interval(1e-5,1e-2)", "training.label_smoothing=interval(0.01,0.1)",
                   "hydra.sweeper.enqueue=[]")  # fmt: skip
    assert result.code == 0, result.err
    assert program_cache._program.cache_info().misses == 2


def test_a_signal_stops_a_study_in_order(train: Train, tmp_path: Path) -> None:
    with stopped_at(tmp_path / "output", "epoch=3 "):
        result = train(*QUICK[:-1], "model.hidden_units=[8]", "training.epochs=100000", "hydra.sweeper.n_trials=3")
    assert result.code == 143
    failure = (result.output / "failure").read_text()
    assert failure.startswith("stopped by SIGTERM after 0 trials; the next at epoch ")
    (study,), (child,) = runs(result)
    assert (child.info.status, child.data.tags["trialmaker.trial_state"]) == ("KILLED", "WAITING")
    assert (study.info.status, study.data.tags["trialmaker.end"]) == ("KILLED", child.data.tags["trialmaker.end"])
    assert (result.output / "model" / "best.json").exists()


def test_a_stopped_study_on_a_server_may_go_on_elsewhere(train: Train, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'team.db'}"
    words = (*QUICK[:-1], "model.hidden_units=[8]", "training.epochs=100000", "hydra.sweeper.n_trials=3")
    with stopped_at(tmp_path / "output", "epoch=3 "):
        assert train(*words, f"tracking.uri={store}").code == 143
    client = mlflow.MlflowClient(store)
    experiment = client.get_experiment_by_name("digits")
    found = client.search_runs([experiment.experiment_id]) if experiment else []
    assert {run.info.run_name: run.info.status for run in found} == {"mlp_digits": "RUNNING", "mlp_digits/0": "KILLED"}


def test_several_objectives_come_from_a_trial(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    result = train("sweeps=tradeoff", "data=digits", "training.epochs=1", "hydra.sweeper.n_trials=3")
    assert result.code == 0, result.err
    assert re.search(r"trial 2 COMPLETE val_accuracy=[\d.]+ parameters=\d+ ", result.out)
    ((parent,), _) = runs(result)
    assert parent.data.tags["trialmaker.trials.COMPLETE"] == "3"
    client = mlflow.MlflowClient(f"sqlite:///{result.output / 'mlflow.db'}")
    assert not client.list_artifacts(parent.info.run_id, "study")  # on so few trials
    storage = open_storage(str(result.output / "studies" / "tradeoff.log"))
    assert load_study(study_name="tradeoff_digits", storage=storage).metric_names == ["val_accuracy", "parameters"]
    assert main(["best", "tradeoff", "--output", str(result.output)]) == 2
    assert "choose with --trial from its Pareto front: " in capsys.readouterr().err


@pytest.mark.parametrize("name", ["mlp", "cnn", "optimizers", "tradeoff"])
def test_every_study_can_be_looked_at_without_training(train: Train, name: str) -> None:
    result = train(f"sweeps={name}", "data=digits", "hydra.sweeper.dry_run=true")
    assert result.code == 0, result.err
    assert "trial 4: sweeps=" in result.out and not (result.output / "studies").exists()
    result = train(f"sweeps={name}", "data=digits", "--cfg", "all")
    assert result.code == 0 and f"study_name: {name}_${{data.name}}" in result.out and "name: digits" in result.out
    assert not (result.output / "studies").exists()


def test_a_study_that_is_killed_has_its_best_model_at_every_moment_and_is_completed_by_the_same_command(
    train: Train, tmp_path: Path
) -> None:
    """Two workers and their supervisor, killed at random; then one process does what is left."""
    draw = random.Random(0)
    models = tmp_path / "output" / "model"
    words = [*QUICK, SHAPES, "hydra.sweeper.n_trials=6", "hydra.sweeper.max_retries=9"]
    looks: list[bool] = []
    create_store(tmp_path / "output")
    with subprocess.Popen(
        [sys.executable, "train.py", *words, "hydra.sweeper.n_jobs=2"], cwd=PROJECT,
        env=os.environ | {"AI_ROOT": str(tmp_path)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        deadline = time.monotonic() + 8
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.2)
            looks.append(can_load_best(models))
            if draw.random() < 0.05:
                with suppress(ProcessLookupError):  # it has just ended
                    os.kill(draw.choice(psutil.Process(process.pid).children() or [process]).pid, signal.SIGKILL)
        process.kill()
    is_over = threading.Event()

    def look() -> None:
        while not is_over.wait(0.2):
            looks.append(can_load_best(models))

    with ThreadPoolExecutor(1) as pool:
        watch = pool.submit(look)
        result = train(*words, "hydra.sweeper.n_jobs=1")
        is_over.set()
        watch.result()
    assert result.code == 0, result.err
    assert sum(looks) > 3 and can_load_best(models)
    study = load_study(study_name="mlp_digits", storage=open_storage(str(tmp_path / "output" / "studies" / "mlp.log")))
    assert [trial.number for trial in study.trials] == list(range(6))
    lost = [trial for trial in study.trials if trial.state not in (TrialState.COMPLETE, TrialState.PRUNED)]
    assert not lost, [(trial.state, trial.user_attrs.get("error"), trial.system_attrs) for trial in lost]
    assert (tmp_path / "output" / "success").exists()
    wait_until(lambda: all(run.info.status != "RUNNING" for run in runs(result)[1]))
    (_,), children = runs(result)
    tags = [run.data.tags for run in children if run.data.tags["trialmaker.trial_state"] != "WAITING"]
    assert [tag["trialmaker.trial"] for tag in tags] == [str(number) for number in range(6)]


def can_load_best(models: Path) -> bool:
    """Load what ``best.json`` names; once more where it named another one meanwhile. False before there is any."""
    if not (models / "best.json").exists():
        return False
    best = None
    while best != (best := json.loads((models / "best.json").read_text())):
        with suppress(OSError, UserError):
            return len(saved_model.load(models / str(best["version"])).class_names) == 10
    raise AssertionError(f"version {best['version']} cannot be loaded")

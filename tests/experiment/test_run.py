"""Whole runs: every kind of choice to its end, what is printed, and the same bytes from the same seed."""

import gc
import hashlib
import json
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.entry import FEW, PROJECT, SMALL, Result, Train
from support.stores import create_store
from support.waiting import HANG_SECONDS
from trialmaker.data import digits
from trialmaker.model_store.versions import find_version
from trialmaker.serving import predictor

STEP = re.compile(r"step \d+, loss \d+\.\d{4}, training accuracy [01]\.\d{4}")
EPOCH = re.compile(
    r"epoch=\d+ loss=\d+\.\d{4} accuracy=[01]\.\d{4} val_loss=\d+\.\d{4} val_accuracy=[01]\.\d{4}"
    r" learning_rate=[\de.+-]+ seconds=\d+\.\d{2}"
)
BEST = re.compile(r"best epoch=\d+ val_accuracy=[01]\.\d{4} test_loss=\d+\.\d{4} test_accuracy=[01]\.\d{4}")
PLATFORM = re.compile(r".*?accuracy\s(.*)")


@pytest.fixture
def digits_files(tmp_path: Path) -> Path:
    """scikit-learn's digits in MNIST's form, in a folder of the test's own."""
    import numpy as np
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    images = (images.reshape(-1, 8, 8) * 15).astype(np.uint8)
    folder = tmp_path / "digits"
    folder.mkdir()
    parts = {"x_train": images[:200], "y_train": labels[:200], "x_test": images[200:250], "y_test": labels[200:250]}
    np.savez(folder / "mnist.npz", **parts)
    return folder


def best(result: Result) -> dict:
    return json.loads((result.output / "model" / "best.json").read_text())


def test_standard_output_is_what_the_platforms_expressions_expect(train: Train) -> None:
    result = train(*SMALL, "training.epochs=2")
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    assert len([line for line in lines if STEP.fullmatch(line)]) == 4
    assert len([line for line in lines if EPOCH.fullmatch(line)]) == 2
    assert len([line for line in lines if BEST.fullmatch(line)]) == 1
    captured = [match[1] for line in lines if (match := PLATFORM.match(line))]
    assert len(captured) == 4 and all(0 <= float(value) <= 1 for value in captured)
    assert result.err == ""


@pytest.mark.parametrize(
    "overrides",
    [
        ["model=cnn", "model.filters=[4]", "model.dense_units=[8]", "optimizer=adamw", "schedule=cosine"],
        ["model.batch_norm=true", "optimizer=nesterov", "schedule=one_cycle", "augment=shift"],
        ["objective=val_loss", "direction=minimize", "augment=affine", "training.label_smoothing=0.1"],
    ],
)
def test_choices_train_to_the_end(train: Train, overrides: list[str]) -> None:
    result = train(*FEW, "training.epochs=2", *overrides)
    assert result.code == 0, result.err
    assert {"val_loss", "test_accuracy"} <= set(best(result)["metrics"])


def test_validation_of_a_cnn_is_right_after_few_steps(train: Train) -> None:
    result = train("data=digits", "model=cnn", "training.epochs=4")
    assert result.code == 0, result.err
    metrics = best(result)["metrics"]
    assert metrics["accuracy"] > 0.96 and metrics["val_accuracy"] > 0.94 and metrics["test_accuracy"] > 0.94
    test = digits.load(split_seed=0, validation_fraction=0.15, test_fraction=0.2).test
    served = predictor.load(find_version(result.output / "model"))
    right = served.predict(test.images.astype(np.float32) / 255).argmax(axis=1) == test.labels
    assert right.mean() == pytest.approx(metrics["test_accuracy"], abs=0.003)


def test_ftrl_does_not_forget_the_initial_weights_of_hidden_layers(train: Train) -> None:
    result = train("data=digits", "optimizer=ftrl", "training.epochs=5")
    assert result.code == 0, result.err
    assert best(result)["metrics"]["val_accuracy"] > 0.85


def test_overfitting_one_batch_reaches_an_accuracy_of_1(train: Train) -> None:
    result = train("debug=overfit", "data=digits", "training.patience=null", "optimizer.learning_rate=0.01")
    assert result.code == 0, result.err
    assert " accuracy=1.0000 " in next(line for line in result.out.splitlines() if line.startswith("epoch=100 "))


def test_a_run_leaves_its_garbage_to_be_collected(train: Train) -> None:
    train(*SMALL)
    frozen = gc.get_freeze_count()
    train(*SMALL)
    assert gc.get_freeze_count() <= frozen


def test_a_time_limit_ends_in_order_with_a_published_model(train: Train) -> None:
    result = train(*SMALL, "training.epochs=1000000", "training.max_seconds=60", "training.margin_seconds=59.5")
    assert result.code == 0, result.err
    assert re.search(r"^ended in epoch \d+ of 1000000 by training.max_seconds=60(.0)?$", result.out, re.MULTILINE)
    assert best(result)["metrics"]["test_accuracy"] >= 0
    assert [run.info.status for run in result.runs()] == ["FINISHED"]


def test_a_multirun_makes_a_run_for_each_value_and_keeps_the_best_model(train: Train) -> None:
    result = train("-m", *SMALL, "seed=1,2", "training.epochs=2")
    assert result.code == 0, result.err
    runs = result.runs()
    assert [run.data.params["seed"] for run in runs] == ["1", "2"]
    value = max(run.data.metrics["best_val_accuracy"] for run in runs)
    assert best(result)["metrics"]["val_accuracy"] == pytest.approx(value)
    assert len(list((result.output / "logs").glob("*_multirun_*/[01]/train.log"))) == 2
    values = [run.data.metrics["best_val_accuracy"] for run in runs]
    *_, means, best_line = result.out.splitlines()
    assert means.startswith(f"   2  {statistics.mean(values):.4f} ± {statistics.stdev(values):.4f}  ")
    number = values.index(value)
    assert re.fullmatch(rf"best: seed={number + 1} val_accuracy={value:.4f} in .*_multirun_\d+/{number}", best_line)


def test_a_second_run_that_is_no_better_is_not_published(train: Train) -> None:
    train(*SMALL, "training.epochs=6")
    first = train(*SMALL, "training.epochs=3", "optimizer.learning_rate=0.01")
    before = best(first)
    second = train(*SMALL, "training.epochs=1", "optimizer.learning_rate=1e-9")
    assert best(second) == before
    line = f"not published: {second.output / 'model' / str(before['version'])} is no worse with val_accuracy="
    assert line in second.out


def test_a_multirun_goes_on_after_a_mistake(train: Train) -> None:
    result = train("-m", "training.max_seconds=-1,60", *SMALL)
    assert result.code == 2
    assert result.err.splitlines() == ["train.py: error: training.max_seconds=-1: must be more than 0"]
    assert best(result)["run_id"]


@pytest.mark.parametrize("name", ["", "model", "tensorboard", "logs"])
def test_an_output_that_cannot_be_written_is_one_line(train: Train, tmp_path: Path, name: str) -> None:
    place = tmp_path / "output" / name
    place.parent.mkdir(exist_ok=True)
    place.write_text("a file, where a folder should be")
    result = train(*SMALL)
    assert result.code == 2
    (line,) = result.err.splitlines()
    assert line.startswith(f"train.py: error: {place}")


def test_a_file_in_the_artifacts_place_is_set_aside(train: Train, tmp_path: Path) -> None:
    place = tmp_path / "output" / "mlartifacts"
    place.parent.mkdir()
    place.write_text("a file, where a folder should be")
    result = train(*SMALL)
    assert result.code == 0, result.err
    (aside,) = place.parent.glob("mlartifacts.aside-*")
    assert (
        f"{place} is no folder: a new one takes its place, and it is now {aside.name}; it is as it was\n" in result.out
    )
    assert aside.read_text() == "a file, where a folder should be" and any(place.rglob("MLmodel"))


def test_a_training_outlives_the_reader_of_its_output(tmp_path: Path) -> None:
    command = f"{sys.executable} train.py {' '.join(SMALL)} | head -1"
    environment = os.environ | {"AI_ROOT": str(tmp_path)}
    create_store(tmp_path / "output")
    done = subprocess.run(command, shell=True, cwd=PROJECT, env=environment, capture_output=True, text=True)
    assert (len(done.stdout.splitlines()), done.stderr) == (1, "")
    assert (tmp_path / "output" / "model" / "best.json").exists()


def test_another_current_directory_of_the_job_moves_nothing(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, digits_files: Path
) -> None:
    """``hydra.job.chdir=true`` is for programs that write into their current directory."""
    monkeypatch.chdir(tmp_path)
    places = ("output=out", f"data.directory={digits_files.relative_to(tmp_path)}", "tracking.uri=sqlite:///team.db")
    words = ("data=mnist", "model.hidden_units=[4]", "training.epochs=1", "training.batch_size=8", "seed=1,2")
    result = train("-m", "hydra.job.chdir=true", *places, *words)
    assert result.code == 0, result.err
    assert {path.name for path in tmp_path.iterdir()} == {digits_files.name, "out", "team.db"}
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"logs", "model", "success", "mlartifacts"}
    result = train("hydra.job.chdir=true", "init_model=out", *places, *words[:-1])
    assert result.code == 0, result.err
    assert "\nstarts from the weights of out/model/" in result.out


def digest(output: Path) -> str:
    """Of the published weights of a run."""
    (weights,) = (output / "model").glob("*/variables/variables.data-00000-of-00001")
    return hashlib.sha256(weights.read_bytes()).hexdigest()


RANDOM = ("model.dropout_rate=0.3", "model.batch_norm=true")
MLP = ("model=mlp", "augment=shift")
CNN = ("model=cnn", "model.filters=[4]", "model.dense_units=[8]", "augment=affine")


# ``python train.py`` for each list of words, in one process, which imports TensorFlow once.
RUNS = """
import json, sys
from hydra.core.global_hydra import GlobalHydra
from trialmaker.cli.train import train
for words in json.loads(sys.argv[1]):
    sys.argv[:] = ["train.py", *words]
    GlobalHydra.instance().clear()
    assert train() == 0
"""


def test_the_bytes_are_the_seeds_in_whatever_process(train: Train, tmp_path: Path) -> None:
    words = {model: (*FEW, "training.epochs=2", *model, *RANDOM) for model in (MLP, CNN)}
    there = {model: tmp_path / f"there {number}" for number, model in enumerate(words)}
    runs = [(*words[model], "seed=5", f"output={output}") for model, output in reversed(there.items())]
    environment = os.environ | {"AI_ROOT": str(tmp_path / "there"), "PYTHONHASHSEED": "random"}
    del environment["TF_XLA_FLAGS"]  # it is to compile the programs itself
    command, digests = [sys.executable, "-c", RUNS, json.dumps(runs)], {}
    for output in there.values():
        create_store(output)
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL, env=environment) as process:
        for model, seed in ((MLP, 5), (CNN, 5), (MLP, 6)):
            output = tmp_path / f"here {len(digests)}"
            result = train(*words[model], f"seed={seed}", f"output={output}")
            assert result.code == 0, result.err
            digests[model, seed] = digest(output)
        assert process.wait(timeout=HANG_SECONDS) == 0
    assert len(set(digests.values())) == 3
    assert [digests[model, 5] for model in words] == [digest(output) for output in there.values()]


def test_real_mnist_is_learned(train: Train, real_mnist: Path) -> None:
    result = train(f"data.directory={real_mnist}", "training.epochs=2")
    assert result.code == 0, result.err
    assert best(result)["metrics"]["test_accuracy"] > 0.95
    assert "54,000 training, 6,000 validation, 10,000 test images of 28x28x1 in 10 classes" in result.out


def test_missing_mnist_shows_the_three_ways_on(train: Train, tmp_path: Path) -> None:
    result = train()
    assert result.code == 2
    for way in (str(tmp_path / "input" / "data"), "data.download=true", "data=digits"):
        assert way in result.err
    assert len(result.err.splitlines()) == 1


def test_a_persons_own_pictures(train: Train, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    for name, colour in (("rot", (200, 40, 40)), ("grün", (40, 200, 40))):
        folder = tmp_path / "pictures" / "train" / name
        folder.mkdir(parents=True)
        for number in range(20):
            noise = draw.integers(0, 50, (20, 30, 3))
            Image.fromarray((noise + np.array(colour)).astype(np.uint8)).save(folder / f"{number}.png")
    result = train(
        "data=images", f"data.directory={tmp_path / 'pictures'}", "training.epochs=20", "training.batch_size=8"
    )
    assert result.code == 0, result.err
    assert best(result)["metrics"]["test_accuracy"] == 1.0

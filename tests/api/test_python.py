"""What ``import trialmaker`` offers: train, study, runs, load_model."""

import inspect
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest
from numpy.typing import ArrayLike

import trialmaker
from optuna_sweep.storage import open_storage
from support.entry import SMALL
from trialmaker import Classifier, UserError
from trialmaker.api.classifier import PIXEL_LAW
from trialmaker.data.digits import load

PROJECT = Path(trialmaker.__file__).parents[2]


def test_importing_it_costs_nothing() -> None:
    code = "import sys; before = set(sys.modules); import trialmaker; print(*sorted(set(sys.modules) - before))"
    printed = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert printed.split() == ["trialmaker"]


def test_its_names_are_documented() -> None:
    assert set(trialmaker.__all__) <= set(dir(trialmaker))
    assert all(inspect.getdoc(getattr(trialmaker, name)) for name in trialmaker.__all__)
    with pytest.raises(AttributeError, match=r"^module 'trialmaker' has no attribute 'trian'$"):
        trialmaker.trian  # noqa: B018
    stub = (PROJECT / "src" / "trialmaker" / "__init__.pyi").read_text(encoding="utf-8")
    assert all(f"    {name} as {name},\n" in stub for name in trialmaker.__all__)


def test_a_training_and_its_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "with blanks"
    run = trialmaker.train(*SMALL, "training.epochs=2", "name=mine", f"output={output}")
    assert "epoch=2 loss=" in capsys.readouterr().out
    assert run.status == "finished" and run.best == run.metrics["val_accuracy"]
    assert run.model_folder and run.model_folder.parent == output / "model"
    assert run.directory.parent == output / "logs"
    model = trialmaker.load_model(run.model_folder)
    digits = load(validation_fraction=0.15, test_fraction=0.2, split_seed=0).test
    share = np.mean(model(digits.images).argmax(axis=1) == digits.labels)
    assert share == pytest.approx(run.metrics["test_accuracy"], abs=0.05)  # which is of a part of them
    frame = trialmaker.runs(output)
    assert list(frame.index) == [run.run_id] and frame.name.item() == "mine"
    with pytest.raises(UserError, match=r"^modle: there is no such field or group; did you mean model\?$"):
        trialmaker.train("modle=cnn", output=output, quiet=True)
    assert capsys.readouterr().out == ""


def test_a_study_and_its_trials(tmp_path: Path) -> None:
    words = (*SMALL, "hydra.sweeper.n_trials=2")
    output = tmp_path / "with blanks, and comma"
    study = trialmaker.study("mlp", *words, output=output, quiet=True)
    assert study.name == "mlp_digits" and [trial.record.trial for trial in study.trials] == [0, 1]
    values = [trial.best for trial in study.trials if trial.status == "finished" and trial.best is not None]
    assert study.best is not None and study.best.best == max(values)
    optuna.create_study(study_name="other", storage=open_storage(str(output / "studies" / "mlp.log")))
    assert trialmaker.study("mlp", *words, output=output, quiet=True) == study  # nothing is left to do
    frame = trialmaker.runs(output)
    assert len(frame) == 2 and frame.study.nunique() == 1
    assert frame.index[0] == study.best.run_id


def test_runs_are_a_frame_of_numbers(copies: list[Path]) -> None:
    frame = trialmaker.runs(*copies)
    assert list(frame.columns[:4]) == ["name", "best", "test_accuracy", "seconds"]
    assert pd.api.types.is_numeric_dtype(frame["optimizer.learning_rate"])
    assert isinstance(frame.start.dtype, pd.DatetimeTZDtype)
    assert frame.index.is_unique and frame.study.notna().any()
    finished = trialmaker.runs(*copies, trials=False, where="status=FINISHED")
    assert finished.study.isna().all() and set(finished.status) == {"FINISHED"}
    assert finished.groupby("experiment").best.apply(lambda best: best.is_monotonic_decreasing).all()
    none = trialmaker.runs(*copies, where="status=RUNNING")
    assert none.empty and none.index.name == frame.index.name
    assert none.dtypes.to_dict().items() <= frame.dtypes.to_dict().items()
    with pytest.raises(UserError, match="there is no"):
        trialmaker.runs(copies[0] / "nowhere")


@pytest.fixture(scope="module")
def model(published: Path) -> Classifier:
    return trialmaker.load_model(published)


def test_a_model_takes_images_in_each_form(model: Classifier) -> None:
    images = np.arange(3 * 784, dtype=np.uint8).reshape(3, 28, 28, 1)
    expected = model(images)
    assert expected.shape == (3, 10) and expected.dtype == np.float32
    np.testing.assert_allclose(expected.sum(axis=1), 1, atol=1e-5)
    for form in (images[..., 0], images / 255, (images / 255).tolist(), images.astype(np.int64), images.tolist()):
        np.testing.assert_allclose(model(form), expected, atol=1e-6)
    for one in (images[1], images[1, ..., 0]):
        np.testing.assert_allclose(model(one), expected[1:2], atol=1e-6)
    assert model.predict(images) == [model.class_names[label] for label in expected.argmax(axis=1)]
    assert model(images[:0]).shape == (0, 10)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((3, 784)), rf"images of shape \(3, 784\): must be \(N, 28, 28, 1\); {PIXEL_LAW}"),
        (np.full((28, 28), 255.0), f"images of float64 with values of 255 to 255: {PIXEL_LAW}"),
        (np.full((28, 28), np.nan), f"images of float64 with values of nan to nan: {PIXEL_LAW}"),
        (np.full((28, 28), -1), f"images of int64 with values of -1 to -1: {PIXEL_LAW}"),
        (np.full((28, 28), 256, np.uint16), f"images of uint16 with values of 256 to 256: {PIXEL_LAW}"),
        (np.zeros((28, 28), complex), f"images of complex128: {PIXEL_LAW}"),
        (np.full((28, 28), "0.5"), f"images of <U3: {PIXEL_LAW}"),
        (np.full((28, 28), None), f"images of object: {PIXEL_LAW}"),
        (np.ma.zeros((28, 28)), r"images with a mask: fill what it hides, by images\.filled\(0\)"),
        ([[0.0] * 28, [0.0] * 27], "images that are no array: .*inhomogeneous.*"),
    ],
)
def test_other_images_are_refused(model: Classifier, images: ArrayLike, message: str) -> None:
    with pytest.raises(UserError, match=f"^{message}$"):
        model(images)


def test_threads_get_their_own_answers(model: Classifier) -> None:
    rng = np.random.default_rng(0)
    batches = [rng.integers(0, 256, (count, 28, 28), np.uint8) for count in (1, 3, 40, 5)]
    expected = [model(batch) for batch in batches]
    order = [number % len(batches) for number in range(200)]
    with ThreadPoolExecutor(4) as pool:
        for number, answer in zip(order, pool.map(lambda number: model(batches[number]), order), strict=True):
            np.testing.assert_allclose(answer, expected[number], atol=1e-6)

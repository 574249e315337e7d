"""Folders of any name: what is written there is read from there, by TensorFlow, LiteRT and a later training."""

import shutil
import tempfile
from pathlib import Path

import keras
import numpy as np
import pytest

from support.entry import SMALL, Train
from trialmaker.model_store import initial_weights, saved_model
from trialmaker.model_store.litert import compile_for_litert
from trialmaker.model_store.saved_model import Exportable
from trialmaker.model_store.versions import find_version
from trialmaker.model_store.weights_source import find_weights
from trialmaker.platform import paths
from trialmaker.serving import predictor

NAMES = [
    "[x]",
    "[",
    "]",
    r"a\b",
    "a\\",
    "*",
    "?",
    "{a}",
    " ",
    "https:",
    "-a=b (c)<d> %20 #;&|~ '\" $x${x}",
    "a\n\tb ü二😀",
]


def model(scale: float) -> keras.Model:
    built = keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(2)])
    built.set_weights([np.full((4, 2), scale) * [1, -1], np.zeros(2)])
    return built


@pytest.fixture(scope="module")
def decoy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A version with other weights."""
    folder = tmp_path_factory.mktemp("decoy") / "1"
    Exportable(model(-1.0), ("a", "b")).export(folder)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_a_model_is_read_from_a_folder_of_any_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decoy: Path, name: str
) -> None:
    for neighbour in ("x", "a", "ab", "b"):  # what the name would stand for, were it a pattern
        shutil.copytree(decoy, tmp_path / "outputs" / neighbour / "1")
    folder = tmp_path / "outputs" / name
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    Exportable(model(1.0), ("a", "b")).export(folder / "1")
    version = find_version(folder)
    assert version.directory == folder / "1"
    image = np.ones((1, 2, 2, 1), np.float32)
    assert saved_model.load(version.directory).probabilities(image)[0, 0] > 0.99
    target = model(0.0)
    initial_weights.load(target, find_weights(folder))
    np.testing.assert_array_equal(target.get_weights()[0], model(1.0).get_weights()[0])
    assert predictor.load(version).runtime == "TensorFlow"
    compile_for_litert(version.directory)
    served = predictor.load(version)
    assert served.runtime == "LiteRT" and served.predict(image)[0, 0] > 0.99


def test_a_run_leaves_its_model_in_an_output_of_any_name(train: Train, tmp_path: Path) -> None:
    name = "a\\b [x] *{y}#'\"$z;&ü"
    output = tmp_path / name
    result = train(*SMALL, "--output", str(output))
    assert result.code == 0, result.err
    version = find_version(output)
    assert f"best model: {version.directory}\n" in result.out
    assert predictor.load(version).runtime == "LiteRT"
    assert list(output.glob("mlartifacts/*/models/*/artifacts/saved_model/saved_model.pb"))


@pytest.mark.parametrize(("name", "law"), [("a?", "must not contain ? or %"), ("a%20", "must not contain ? or %")])
def test_an_output_that_mlflow_would_misread_is_refused_by_name(
    train: Train, tmp_path: Path, name: str, law: str
) -> None:
    result = train(*SMALL, "--output", str(tmp_path / name))
    assert result.code == 2 and result.err.startswith(f'train.py: error: output="{tmp_path / name}": {law}')


def test_a_root_that_the_config_would_misread_is_refused_by_name(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "root", lambda: tmp_path / "${x}")
    result = train(*SMALL)
    law = "must not contain ${, which means another value in the config"
    assert (result.code, result.err) == (2, f"train.py: error: AI_ROOT={tmp_path}/${{x}}: {law}\n")

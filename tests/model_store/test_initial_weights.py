"""The files that training can start from."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from trialmaker.errors import UserError
from trialmaker.model_store import initial_weights
from trialmaker.model_store.saved_model import Exportable
from trialmaker.model_store.weights_source import find_weights
from trialmaker.models import registry

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' own, as it saves


def model(*units: int, seed: int = 0) -> keras.Model:
    keras.utils.set_random_seed(seed)
    fields = {
        "hidden_units": units,
        "activation": "relu",
        "dropout_rate": 0.1,
        "batch_norm": True,
        "initializer": "glorot_uniform",
    }
    return registry.builder("mlp")(input_shape=(8, 8, 1), num_classes=3, **fields)


def as_version(source: keras.Model, folder: Path) -> Path:
    Exportable(source, ("a", "b", "c")).export(folder / "3")
    return folder / "3"


def as_versions(source: keras.Model, folder: Path) -> Path:
    as_version(source, folder / "model")
    return folder


def as_keras(source: keras.Model, folder: Path) -> Path:
    source.save(folder / "any.keras")
    return folder / "any.keras"


def as_h5(source: keras.Model, folder: Path) -> Path:
    source.save_weights(folder / "any.weights.h5")
    return folder


@pytest.mark.parametrize("save", [as_version, as_versions, as_keras, as_h5])
def test_weights_come_back_from_each_form(tmp_path: Path, save) -> None:
    source, target = model(6, 4), model(6, 4, seed=1)
    source.set_weights([weight + 0.5 for weight in source.get_weights()])
    initial_weights.load(target, find_weights(save(source, tmp_path)))
    for one, other in zip(target.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("save", [as_version, as_keras, as_h5])
@pytest.mark.parametrize(("units", "layer"), [((6, 5), "hidden_2"), ((6,), "hidden_2")])
def test_shapes_that_do_not_fit_are_an_error_that_names_the_layer(tmp_path: Path, save, units, layer) -> None:
    path = save(model(*units), tmp_path)
    with pytest.raises(UserError, match=f"init_model={path}.*{layer}"):
        initial_weights.load(model(6, 4), find_weights(path))


def test_what_holds_no_weights_is_refused(tmp_path: Path) -> None:
    target = model(6, 4)
    (tmp_path / "bad.keras").write_bytes(b"no zip")
    (tmp_path / "bad.weights.h5").write_bytes(b"no hdf5")
    (tmp_path / "text.txt").write_text("no weights")
    empty = tmp_path / "empty"
    empty.mkdir()
    for path, law in (
        (tmp_path / "nowhere", "there is no such file or folder"),
        (tmp_path / "bad.keras", "cannot be read as a Keras model"),
        (tmp_path / "bad.weights.h5", "its weights do not fit"),
        (tmp_path / "text.txt", "expected a published model, or a .keras or .weights.h5 file"),
        (empty, "expected a published model, or one .keras or .weights.h5 file, found none"),
        (tmp_path, "found several: bad.keras, bad.weights.h5"),
    ):
        with pytest.raises(UserError, match=law) as caught:
            initial_weights.load(target, find_weights(path))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("save", [as_version, as_keras, as_h5])
def test_a_model_with_more_layers_is_refused(tmp_path: Path, save) -> None:
    path = save(model(6, 6, 6), tmp_path)
    with pytest.raises(UserError, match=r"there, .* in this config"):
        initial_weights.load(model(6, 6), find_weights(path))


def test_a_folder_of_versions_means_its_best_one_and_else_the_newest(tmp_path: Path) -> None:
    for number in ("1", "2", "10"):
        (tmp_path / "model" / number).mkdir(parents=True)
    record = tmp_path / "model" / "best.json"
    assert find_weights(tmp_path) == tmp_path / "model" / "10"
    fields = {"run_id": "", "model": "", "data": "", "data_digest": "", "direction": "maximize", "epoch": 1}
    metrics = {"val_accuracy": 0.5, "val_loss": 1.0}
    record.write_text(json.dumps(fields | {"objective": "val_accuracy", "metrics": metrics, "version": 2}))
    assert find_weights(tmp_path) == tmp_path / "model" / "2"
    record.write_text('{"version": 1')
    with pytest.raises(UserError, match=r"is not the record of a best model .*: remove it or restore it"):
        find_weights(tmp_path)

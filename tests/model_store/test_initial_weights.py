"""The files that training can start from."""

import json
import os
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
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


def as_old_h5(source: keras.Model, folder: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source.save(folder / "any.h5")
    return folder / "any.h5"


def as_packed_keras(source: keras.Model, folder: Path) -> Path:
    source.save(folder / "plain.keras")
    with (
        zipfile.ZipFile(folder / "plain.keras") as plain,
        zipfile.ZipFile(folder / "any.keras", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))
    return folder / "any.keras"


@pytest.mark.parametrize("save", [as_version, as_versions, as_keras, as_packed_keras, as_h5, as_old_h5])
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
        (tmp_path / "bad.keras", "cannot be read as Keras' weights"),
        (tmp_path / "bad.weights.h5", "cannot be read as Keras' weights"),
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


# ---- files that are made to be trouble


def zeros_in_keras(path: Path) -> None:
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("model.weights.h5", "w", force_zip64=True) as entry,
    ):
        for _ in range(80):
            entry.write(bytes(1 << 20))


def unbounded_method(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("model.weights.h5", bytes(1 << 20))


def huge_config(path: Path) -> None:
    keras.Sequential([keras.Input((1,)), keras.layers.Dense(4)]).save(path)
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    entries["config.json"] = entries["config.json"].replace(b'"units": 4', b'"units": 60000000')
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


def hdf5(path: Path, change: Callable[[h5py.Group], None]) -> None:
    model(6, 4).save_weights(path)
    with h5py.File(path, "a") as file:
        del file["layers/dense_1/vars/0"]
        change(file["layers/dense_1/vars"])


def nothing_stored(weights: h5py.Group) -> None:
    weights.create_dataset("0", (400_000_000,), "f4", chunks=(1_000_000,), compression="gzip")


def one_dense_chunk(weights: h5py.Group) -> None:
    weights.create_dataset("0", data=np.zeros((2_000, 1_000), "f4"), chunks=(2_000, 1_000), compression="gzip")


def never_written(weights: h5py.Group) -> None:
    weights.create_dataset("0", (400_000_000,), "f4")


def in_another_file(weights: h5py.Group) -> None:
    weights.create_dataset("0", (6, 4), "u1", external=[("/etc/passwd", 0, 24)])


def by_a_link(weights: h5py.Group) -> None:
    weights["0"] = h5py.ExternalLink("/etc/passwd", "/")


BOMBS: dict[Callable, tuple[str, str]] = {
    zeros_in_keras: ("a.keras", "expected at most 100 times as much"),
    unbounded_method: ("a.keras", "is packed by another method than deflate"),
    huge_config: ("a.keras", "its weights do not fit"),
    nothing_stored: ("a.weights.h5", "is packed, or lies elsewhere"),
    one_dense_chunk: ("a.weights.h5", "is packed, or lies elsewhere"),
    never_written: ("a.weights.h5", "says to have 1600000000 bytes, which are not there"),
    in_another_file: ("a.weights.h5", "is packed, or lies elsewhere"),
    by_a_link: ("a.weights.h5", "layers/dense_1/vars/0 is a link to elsewhere"),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_file_that_is_more_than_it_holds_is_a_line_at_once(bomb: Callable, tmp_path: Path) -> None:
    name, law = BOMBS[bomb]
    if name.endswith(".h5"):
        hdf5(tmp_path / name, bomb)
    else:
        bomb(tmp_path / name)
    target = model(6, 4)
    before = target.get_weights()
    began = time.thread_time()
    with pytest.raises(UserError, match=law) as caught:
        initial_weights.load(target, find_weights(tmp_path / name))
    assert time.thread_time() - began < 2  # seconds of CPU
    assert "\n" not in str(caught.value) and str(tmp_path / name) in str(caught.value)
    assert all((one == other).all() for one, other in zip(before, target.get_weights(), strict=True))


@pytest.mark.timeout(20)
def test_a_pipe_among_the_variables_is_not_waited_for(tmp_path: Path) -> None:
    version = as_version(model(6, 4), tmp_path)
    index = version / "variables" / "variables.index"
    index.unlink()
    os.mkfifo(index)
    with pytest.raises(UserError, match=r"is no regular file$"):
        initial_weights.load(model(6, 4), find_weights(version))

"""Weights to start a training from: of a model that this project published, or of Keras."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import h5py
import keras
import numpy as np
import tensorflow as tf

from trialmaker.errors import UserError
from trialmaker.model_store.versions import choose_version


def load(model: keras.Model, place: Path) -> Path:
    """Set the model's weights to those at ``place``.

    Args:
        place: a version's folder, a folder of versions, an output with one in ``model/``, a ``.keras`` or ``.h5``
            file, or a folder that holds just one such.

    Returns:
        the folder or file that the weights were read from.

    Raises:
        UserError: there are no weights, or they do not fit; then the first layer that differs is named.
    """
    found = find(place)
    if found.is_dir():
        _set(model, _of_saved_model(found), found)
    elif found.suffix == ".keras":
        _set(model, _of_keras(found), found)
    else:
        _load_h5(model, found)
    return found


def find(place: Path) -> Path:
    """The version's folder or the Keras file that ``place`` means."""
    if place.is_file():
        if place.suffix in (".keras", ".h5"):
            return place
        raise UserError(f"init_model={place}: expected a published model, or a .keras or .weights.h5 file")
    if not place.is_dir():
        raise UserError(f"init_model={place}: there is no such file or folder")
    for folder in (place, place / "model", place / "output" / "model"):
        if (folder / "saved_model.pb").is_file():
            return folder
        if version := choose_version(folder):
            return version
    files = sorted([*place.glob("*.keras"), *place.glob("*.h5")])
    if len(files) == 1:
        return files[0]
    found = "several: " + ", ".join(path.name for path in files) if files else "none"
    raise UserError(f"init_model={place}: expected a published model, or one .keras or .weights.h5 file, found {found}")


def _of_saved_model(folder: Path) -> list[np.ndarray]:
    """The weights alone, without the graph."""
    try:
        checkpoint = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
        count = len(checkpoint.get_variable_to_dtype_map())
        names = [f"ordered_weights/{at}/.ATTRIBUTES/VARIABLE_VALUE" for at in range(count)]
        weights = [checkpoint.get_tensor(name) for name in names if checkpoint.has_tensor(name)]
    except (tf.errors.OpError, RuntimeError, IndexError) as error:
        raise UserError(f"init_model={folder}: its variables cannot be read: {_one_line(error)}") from error
    if not weights:
        raise UserError(f"init_model={folder}: is not a model that this project published")
    return weights


def _of_keras(path: Path) -> list[np.ndarray]:
    try:
        return list(keras.models.load_model(path, compile=False).get_weights())
    except Exception as error:  # Keras raises whatever its zip, JSON or HDF5 reader does
        raise UserError(f"init_model={path}: cannot be read as a Keras model: {_one_line(error)}") from error


def _load_h5(model: keras.Model, path: Path) -> None:
    count = _count_in_h5(path)
    if count is not None and count > len(model.weights):  # fewer, Keras tells, with the layer's name
        raise UserError(f"init_model={path}: {_other_number(model, count)}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the same thing as the error
            model.load_weights(path)
    except Exception as error:  # as above
        raise UserError(f"init_model={path}: its weights do not fit: {_one_line(error)}") from error


def _count_in_h5(path: Path) -> int | None:
    """How many weights a ``.weights.h5`` holds; None of another file. Keras itself ignores those that are too many."""
    weights: list[str] = []

    def visit(name: str, found: h5py.Dataset | h5py.Group) -> None:
        if isinstance(found, h5py.Dataset) and "seed_generator" not in name:
            weights.append(name)

    try:
        with h5py.File(path) as file:
            if "layers" not in file:
                return None
            file["layers"].visititems(visit)
    except OSError:
        return None
    return len(weights)


def _set(model: keras.Model, weights: Sequence[np.ndarray], found: Path) -> None:
    """Set all, or nothing."""
    for ours, theirs in zip(model.weights, weights, strict=False):
        if tuple(ours.shape) != theirs.shape:
            shapes = f"{list(theirs.shape)} there, {list(ours.shape)} in this config"
            raise UserError(f"init_model={found}: layer {ours.path} has another shape: {shapes}")
    if len(model.weights) != len(weights):
        raise UserError(f"init_model={found}: {_other_number(model, len(weights))}")
    model.set_weights(list(weights))


def _other_number(model: keras.Model, count: int) -> str:
    ours = model.weights
    text = f"has another number of layers: {count} weights there, {len(ours)} in this config"
    return f"{text}; the first without a counterpart is {ours[count].path}" if count < len(ours) else text


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]

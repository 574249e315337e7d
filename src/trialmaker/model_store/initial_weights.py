"""Weights to start a training from: those of a model that this project published, or of a Keras file."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import h5py
import keras
import numpy as np
import tensorflow as tf

from trialmaker.errors import UserError, one_line
from trialmaker.model_store.literal_path import literal_path

REASON_CHARACTERS = 300  # of an error of TensorFlow's or Keras'


def load(model: keras.Model, source: Path) -> None:
    """Set the model's weights to those of a published version or a Keras file.

    Args:
        model: the model that is trained.
        source: as ``find_weights`` returns it.

    Raises:
        UserError: the weights cannot be read, or do not fit; then the first layer that differs is named.
    """
    if source.is_dir():
        _set_weights(model, _saved_model_weights(source), source)
    elif source.suffix == ".keras":
        _set_weights(model, _keras_weights(source), source)
    else:
        _load_h5(model, source)


def _saved_model_weights(folder: Path) -> list[np.ndarray]:
    """Return the weights of a version without loading its graph, in the order of ``model.weights``."""
    try:
        with literal_path(folder) as path:
            checkpoint = tf.train.load_checkpoint(f"{path}/variables/variables")
            count = len(checkpoint.get_variable_to_dtype_map())
            names = [f"ordered_weights/{index}/.ATTRIBUTES/VARIABLE_VALUE" for index in range(count)]
            weights = [checkpoint.get_tensor(name) for name in names if checkpoint.has_tensor(name)]
    except (tf.errors.OpError, RuntimeError, IndexError) as error:
        raise UserError(
            f"init_model={folder}: its variables cannot be read: {one_line(error, REASON_CHARACTERS)}"
        ) from error
    if not weights:
        raise UserError(f"init_model={folder}: is not a model that this project published")
    return weights


def _keras_weights(path: Path) -> list[np.ndarray]:
    try:
        return list(keras.models.load_model(path, compile=False).get_weights())
    except Exception as error:  # Keras raises whatever its zip, JSON or HDF5 reader does
        raise UserError(
            f"init_model={path}: cannot be read as a Keras model: {one_line(error, REASON_CHARACTERS)}"
        ) from error


def _load_h5(model: keras.Model, path: Path) -> None:
    count = _h5_weight_count(path)
    if count is not None and count > len(model.weights):  # fewer are an error of Keras', with the layer's name
        raise UserError(f"init_model={path}: {_count_mismatch(model, count)}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they say the same as the error
            model.load_weights(path)
    except Exception as error:  # as above
        raise UserError(f"init_model={path}: its weights do not fit: {one_line(error, REASON_CHARACTERS)}") from error


def _h5_weight_count(path: Path) -> int | None:
    """Return the number of weights in a ``.weights.h5`` file, of which Keras ignores surplus ones; None for others."""
    names: list[str] = []

    def visit(name: str, item: h5py.Dataset | h5py.Group) -> None:
        if isinstance(item, h5py.Dataset) and "seed_generator" not in name:
            names.append(name)

    try:
        with h5py.File(path) as file:
            if "layers" not in file:
                return None
            file["layers"].visititems(visit)
    except OSError:
        return None
    return len(names)


def _set_weights(model: keras.Model, weights: Sequence[np.ndarray], source: Path) -> None:
    """Set all weights, or none where they do not fit."""
    for variable, value in zip(model.weights, weights, strict=False):
        if tuple(variable.shape) != value.shape:
            shapes = f"{list(value.shape)} there, {list(variable.shape)} in this config"
            raise UserError(f"init_model={source}: layer {variable.path} has another shape: {shapes}")
    if len(model.weights) != len(weights):
        raise UserError(f"init_model={source}: {_count_mismatch(model, len(weights))}")
    model.set_weights(list(weights))


def _count_mismatch(model: keras.Model, count: int) -> str:
    variables = model.weights
    text = f"has another number of layers: {count} weights there, {len(variables)} in this config"
    return f"{text}; the first without a counterpart is {variables[count].path}" if count < len(variables) else text

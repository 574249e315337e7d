"""Weights to start a training from: those of a model that this project published, or of a Keras file."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from trialmaker.errors import UserError, one_line
from trialmaker.model_store.literal_path import literal_path
from trialmaker.model_store.weight_files import weight_count

WEIGHT_NAME = "ordered_weights/{}/.ATTRIBUTES/VARIABLE_VALUE"  # of ``Exportable``, in its checkpoint
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
        _set_weights(model, _saved_model_weights(model, source), source)
    else:
        _load_keras(model, source)


def _saved_model_weights(model: keras.Model, folder: Path) -> list[np.ndarray]:
    """Return the weights of a version without loading its graph, in the order of ``model.weights``.

    They are read only if they fit the model: a checkpoint may say of a tensor that it is of any size.
    """
    others = [path for path in (folder / "variables").glob("*") if not path.is_file()]
    if others:  # TensorFlow would wait for who writes to a pipe
        raise UserError(f"init_model={folder}: its variables cannot be read: {others[0]} is no regular file")
    try:
        with literal_path(folder) as path:
            checkpoint = tf.train.load_checkpoint(f"{path}/variables/variables")
            shapes = checkpoint.get_variable_to_shape_map()
            names = [name for index in range(len(shapes)) if (name := WEIGHT_NAME.format(index)) in shapes]
            _check_shapes(model, [shapes[name] for name in names], folder)
            return [checkpoint.get_tensor(name) for name in names]
    except (tf.errors.OpError, RuntimeError, IndexError) as error:
        raise UserError(
            f"init_model={folder}: its variables cannot be read: {one_line(error, REASON_CHARACTERS)}"
        ) from error


def _load_keras(model: keras.Model, path: Path) -> None:
    try:
        count = weight_count(path)
    except UserError:
        raise
    except Exception as error:  # h5py and zipfile raise a dozen types on damaged files
        raise UserError(
            f"init_model={path}: cannot be read as Keras' weights: {one_line(error, REASON_CHARACTERS)}"
        ) from error
    if count is not None and count > len(model.weights):  # fewer are an error of Keras', with the layer's name
        raise UserError(f"init_model={path}: {_count_mismatch(model, count)}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they say the same as the error
            model.load_weights(path)  # of a .keras file too, of whose layers it builds none
    except Exception as error:  # Keras raises whatever its zip or HDF5 reader does
        raise UserError(f"init_model={path}: its weights do not fit: {one_line(error, REASON_CHARACTERS)}") from error


def _check_shapes(model: keras.Model, shapes: Sequence[Sequence[int]], source: Path) -> None:
    """Check that weights of these shapes are those of the model.

    Raises:
        UserError: they are not; it names the first layer that differs.
    """
    if not shapes:
        raise UserError(f"init_model={source}: is not a model that this project published")
    for variable, shape in zip(model.weights, shapes, strict=False):
        if tuple(variable.shape) != tuple(shape):
            difference = f"{list(shape)} there, {list(variable.shape)} in this config"
            raise UserError(f"init_model={source}: layer {variable.path} has another shape: {difference}")
    if len(model.weights) != len(shapes):
        raise UserError(f"init_model={source}: {_count_mismatch(model, len(shapes))}")


def _set_weights(model: keras.Model, weights: Sequence[np.ndarray], source: Path) -> None:
    try:
        model.set_weights(list(weights))
    except (TypeError, ValueError) as error:  # such as of texts
        raise UserError(f"init_model={source}: its weights do not fit: {one_line(error, REASON_CHARACTERS)}") from error


def _count_mismatch(model: keras.Model, count: int) -> str:
    variables = model.weights
    text = f"has another number of layers: {count} weights there, {len(variables)} in this config"
    return f"{text}; the first without a counterpart is {variables[count].path}" if count < len(variables) else text

"""A published model as a function of NumPy images."""

import threading
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trialmaker.errors import UserError, one_line
from trialmaker.model_store.versions import find_version
from trialmaker.serving.predictor import Model, load

NUMBER_KINDS = "biuf"  # NumPy's letters for booleans, integers and floats
PIXEL_LAW = "integers must be of 0 to 255, floats and booleans of 0 to 1"


@dataclass(frozen=True)
class Classifier:
    """A trained model, ready to answer; LiteRT computes, so TensorFlow is not imported.

    Several threads may call it: it answers one after the other.

    Args:
        model: as the service loads it.
    """

    model: Model
    _turn: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False, compare=False)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Return the names of the K classes, by label."""
        return self.model.class_names

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Return (H, W, C) of one image."""
        return self.model.input_shape

    @property
    def metrics(self) -> dict[str, float]:
        """Return what it reached when it was trained, such as ``val_accuracy`` and ``test_accuracy``."""
        return dict(self.model.version.metrics)

    def __call__(self, images: ArrayLike) -> NDArray[np.float32]:
        """Return the probabilities, float32 [N, K], of images.

        Args:
            images: [N, H, W, C]; also [N, H, W] where C is 1, and one image [H, W, C] or [H, W], which is N = 1.
                Integers are of 0 to 255, whatever their type; floats and booleans of 0 to 1.

        Raises:
            UserError: they have another shape, or other values.
        """
        batch = self._batch(_array(images))
        if not len(batch):
            return np.zeros((0, len(self.class_names)), np.float32)
        with self._turn:
            return self.model.predict(batch)

    def predict(self, images: ArrayLike) -> list[str]:
        """Return the name of each image's most probable class; arguments and errors as of a call."""
        return [self.class_names[label] for label in self(images).argmax(axis=1)]

    def _batch(self, images: np.ndarray) -> np.ndarray:
        height, width, channels = self.input_shape
        single = (self.input_shape, (height, width) if channels == 1 else self.input_shape)
        if images.shape in single or (images.ndim > 1 and images.shape[1:] in single):
            batch = images.reshape(-1, *self.input_shape)
        else:
            raise UserError(f"images of shape {images.shape}: must be (N, {height}, {width}, {channels}); {PIXEL_LAW}")
        is_whole = batch.dtype.kind in "iu"
        if not ((batch >= 0) & (batch <= (255 if is_whole else 1))).all():
            raise UserError(f"images of {batch.dtype} with values of {batch.min():g} to {batch.max():g}: {PIXEL_LAW}")
        return batch.astype(np.uint8 if is_whole else np.float32, copy=False)


def _array(images: ArrayLike) -> np.ndarray:
    """Return images as an array of integers, floats or booleans.

    Raises:
        UserError: they are none, or some of their values are masked.
    """
    if isinstance(images, np.ma.MaskedArray):
        raise UserError("images with a mask: fill what it hides, by images.filled(0)")
    try:
        array = np.asarray(images)
    except ValueError as error:  # lists of several lengths
        raise UserError(f"images that are no array: {one_line(error)}") from error
    if array.dtype.kind not in NUMBER_KINDS:
        raise UserError(f"images of {array.dtype}: {PIXEL_LAW}")
    return array


def load_model(folder: str | PathLike[str], *, allow_tensorflow: bool = False) -> Classifier:
    """Load a published model.

    Args:
        folder: a version's folder ``model/<N>``, a folder of versions, or a job's output: then its best.
        allow_tensorflow: whether TensorFlow may run a SavedModel that does more than compute: it can do what you can.

    Raises:
        UserError: there is no complete model, or it is damaged.
    """
    return Classifier(load(find_version(Path(folder)), allow_tensorflow=allow_tensorflow))

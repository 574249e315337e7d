"""A published model as a function of NumPy images."""

from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trialmaker.errors import UserError
from trialmaker.model_store.versions import find_version
from trialmaker.serving.predictor import Model, load


@dataclass(frozen=True)
class Classifier:
    """A trained model, ready to answer; LiteRT computes, so TensorFlow is not imported.

    Args:
        model: as the service loads it.
    """

    model: Model

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
            images: [N, H, W, C]; also [N, H, W] where C is 1, and one image [H, W, C] or [H, W], which is N = 1. uint8
                of 0 to 255, or numbers in [0, 1].

        Raises:
            UserError: they have another shape, or other values.
        """
        batch = self._batch(np.asarray(images))
        return self.model.predict(batch) if len(batch) else np.zeros((0, len(self.class_names)), np.float32)

    def predict(self, images: ArrayLike) -> list[str]:
        """Return the name of each image's most probable class; arguments and errors as of a call."""
        return [self.class_names[label] for label in self(images).argmax(axis=1)]

    def _batch(self, images: np.ndarray) -> np.ndarray:
        height, width, channels = self.input_shape
        single = (self.input_shape, (height, width) if channels == 1 else self.input_shape)
        if images.shape in single or (images.ndim > 1 and images.shape[1:] in single):
            batch = images.reshape(-1, *self.input_shape)
        else:
            raise UserError(
                f"images of shape {images.shape}: must be (N, {height}, {width}, {channels}), uint8 or in [0, 1]"
            )
        if batch.dtype == np.uint8:
            return batch
        values = batch.astype(np.float32)
        if not ((values >= 0) & (values <= 1)).all():
            low, high = values.min(), values.max()
            raise UserError(f"images with values of {low:g} to {high:g}: must be in [0, 1], or uint8 of 0 to 255")
        return values


def load_model(folder: str | PathLike[str], *, allow_tensorflow: bool = False) -> Classifier:
    """Load a published model.

    Args:
        folder: a version's folder ``model/<N>``, a folder of versions, or a job's output: then its best.
        allow_tensorflow: whether TensorFlow may run a SavedModel that does more than compute: it can do what you can.

    Raises:
        UserError: there is no complete model, or it is damaged.
    """
    return Classifier(load(find_version(Path(folder)), allow_tensorflow=allow_tensorflow))

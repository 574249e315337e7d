"""Images and labels as the rest of the package sees them."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Split:
    """Some examples, in a fixed order.

    Args:
        images: uint8 [N, H, W, C] in 0..255, C-contiguous; C is 1 (grey) or 3 (RGB).
        labels: int32 [N] in 0..K-1.
    """

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Dataset:
    """Three disjoint splits of one data set.

    Args:
        name: what a person calls it, such as ``mnist``.
        source: where it was read from (a directory, a file, a package), for logs and MLflow.
        class_names: K names, by label.
    """

    name: str
    source: str
    class_names: tuple[str, ...]
    train: Split
    validation: Split
    test: Split

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of one image."""
        height, width, channels = self.train.images.shape[1:]
        return height, width, channels

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @cached_property
    def digest(self) -> str:
        """Hexadecimal SHA-256 of all images, labels and class names: equal for equal data, wherever it was read."""
        hashed = hashlib.sha256(repr(self.class_names).encode())
        for split in (self.train, self.validation, self.test):
            hashed.update(repr(split.images.shape).encode())
            hashed.update(np.ascontiguousarray(split.images).data)
            hashed.update(np.ascontiguousarray(split.labels).data)
        return hashed.hexdigest()

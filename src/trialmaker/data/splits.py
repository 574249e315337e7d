"""The arrays of a data set, as the other rooms see them."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Split:
    """Examples in a fixed order.

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
        name: the data set's name in ``conf/data``, such as ``mnist``.
        source: what it was read from (a directory, a file, a package), for logs and MLflow.
        class_names: K names, by label.
        train: the examples to train on.
        validation: the examples that choose the best epoch and the best trial; may be empty.
        test: the examples of the final test; may be empty.
    """

    name: str
    source: str
    class_names: tuple[str, ...]
    train: Split
    validation: Split
    test: Split

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Return the shape (H, W, C) of one image."""
        height, width, channels = self.train.images.shape[1:]
        return height, width, channels

    @property
    def num_classes(self) -> int:
        """Return the number of classes, K."""
        return len(self.class_names)

    @cached_property
    def digest(self) -> str:
        """Return the SHA-256, hexadecimal, of all images, labels and class names, whatever their source."""
        return self._digest_of(self.train, self.validation, self.test)

    @cached_property
    def validation_digest(self) -> str:
        """Return the digest of the validation split and the class names: models with the same one compare."""
        return self._digest_of(self.validation)

    def _digest_of(self, *splits: Split) -> str:
        sha256 = hashlib.sha256(repr(self.class_names).encode())
        for split in splits:
            sha256.update(repr(split.images.shape).encode())
            sha256.update(np.ascontiguousarray(split.images).data)
            sha256.update(np.ascontiguousarray(split.labels).data)
        return sha256.hexdigest()

"""MNIST: 70,000 handwritten digits (LeCun, Cortes, Burges 1998, http://yann.lecun.com/exdb/mnist/)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from trialmaker.data import mnist_files
from trialmaker.data.idx import read_idx
from trialmaker.data.npz import read_npz
from trialmaker.data.splits import Dataset, Split
from trialmaker.data.stratified import split
from trialmaker.errors import UserError

CLASS_NAMES = tuple("0123456789")
NPZ_NAMES = ("x_train", "y_train", "x_test", "y_test")


def load(
    *, directory: Path, download: bool, mirrors: Sequence[str], validation_fraction: float, split_seed: int
) -> Dataset:
    """Load MNIST, or a data set in its format such as Fashion-MNIST; MNIST takes 0.3 s.

    Args:
        directory: a folder that holds, itself or in a sub-folder, the four files, gzipped or not, or ``mnist.npz``.
        download: whether to download the files into the directory if it holds no MNIST.
        mirrors: base URLs to download from, tried in order.
        validation_fraction: share of every class of the training files that becomes the validation split, in [0, 1).
        split_seed: seed of the validation split, at least 0.

    Returns:
        Images uint8 [N, 28, 28, 1], 0 is paper and 255 is ink; labels int32 0..9. The test split is the t10k files.

    Raises:
        UserError: MNIST is not there, cannot be downloaded, or is damaged; or the fraction or the seed is out of range.
    """
    directory = directory.absolute()
    paths = mnist_files.find(directory)
    if not paths and download:
        mnist_files.fetch(directory, mirrors=mirrors)
        paths = mnist_files.find(directory)
    if not paths:
        raise mnist_files.missing_error(directory)
    examples, test = _read(paths)
    train, validation = split(examples.labels, fraction=validation_fraction, seed=split_seed)
    return Dataset(
        name="mnist",
        source=str(paths[0].parent if len(paths) > 1 else paths[0]),
        class_names=CLASS_NAMES,
        train=Split(examples.images[train], examples.labels[train]),
        validation=Split(examples.images[validation], examples.labels[validation]),
        test=test,
    )


def _read(paths: Sequence[Path]) -> tuple[Split, Split]:
    """Read and check the training and the test examples."""
    if len(paths) == 1:
        arrays = read_npz(paths[0], NPZ_NAMES)
        places = [f"{name} in {paths[0]}" for name in NPZ_NAMES]
    else:
        arrays = [read_idx(path, ndim=ndim) for path, ndim in zip(paths, (3, 1, 3, 1), strict=True)]
        places = [str(path) for path in paths]
    train, test = _to_split(arrays[:2], places[:2]), _to_split(arrays[2:], places[2:])
    if train.images.shape[1:] != test.images.shape[1:]:
        shapes = [" x ".join(map(str, part.images.shape[1:3])) for part in (train, test)]
        raise UserError(f"{places[2]}: expected images of {shapes[0]} as in {places[0]}, found {shapes[1]}")
    return train, test


def _to_split(arrays: Sequence[np.ndarray], places: Sequence[str]) -> Split:
    """Check images and labels, and make them a split; ``places`` name them in messages."""
    (images, labels), (images_place, labels_place) = arrays, places
    if images.ndim != 3 or images.dtype != np.uint8:
        actual = f"{images.dtype} {list(images.shape)}"
        raise UserError(f"{images_place}: expected images as uint8 [N, H, W], found {actual}")
    if labels.ndim != 1:
        raise UserError(f"{labels_place}: expected labels as [N], found {list(labels.shape)}")
    if images.size == 0:
        raise UserError(f"{images_place}: expected at least one image with pixels, found {list(images.shape)}")
    if len(images) != len(labels):
        expected = f"{len(images)} labels, one for each image in {images_place}"
        raise UserError(f"{labels_place}: expected {expected}, found {len(labels)}")
    if (outliers := np.flatnonzero((labels < 0) | (labels > 9))).size:
        raise UserError(f"{labels_place}: expected labels 0..9, found {labels[outliers[0]]} at index {outliers[0]}")
    return Split(images[..., np.newaxis], labels.astype(np.int32))

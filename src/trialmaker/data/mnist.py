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
    """Reads MNIST, or any data set in its form; real MNIST takes 0.3 s.

    Args:
        directory: where it lies, itself or in a sub-folder: the four files, gzipped or not, or ``mnist.npz``.
        download: fetch the files into the directory if they are not there.
        mirrors: base URLs to fetch them from, tried in turn.
        validation_fraction: share of the training files that becomes the validation split, by class; 0 <= it < 1.
        split_seed: draws the validation split.

    Returns:
        Images uint8 [N, 28, 28, 1], 0 is paper and 255 is ink; labels int32 0..9. The test split is the t10k files.

    Raises:
        UserError: MNIST is not there, can't be fetched, or is damaged.
    """
    directory = directory.absolute()
    paths = mnist_files.find(directory)
    if not paths and download:
        mnist_files.fetch(directory, mirrors=mirrors)
        paths = mnist_files.find(directory)
    if not paths:
        raise mnist_files.not_found(directory)
    train, test = _read(paths)
    kept, taken = split(train.labels, fraction=validation_fraction, seed=split_seed)
    return Dataset(
        name="mnist",
        source=str(paths[0].parent if len(paths) > 1 else paths[0]),
        class_names=CLASS_NAMES,
        train=Split(train.images[kept], train.labels[kept]),
        validation=Split(train.images[taken], train.labels[taken]),
        test=test,
    )


def _read(paths: Sequence[Path]) -> tuple[Split, Split]:
    """The training and the test examples, checked."""
    if len(paths) == 1:
        arrays = read_npz(paths[0], NPZ_NAMES)
        places = [f"{name} in {paths[0]}" for name in NPZ_NAMES]
    else:
        arrays = [read_idx(path, ndim=ndim) for path, ndim in zip(paths, (3, 1, 3, 1), strict=True)]
        places = [str(path) for path in paths]
    train, test = _checked(arrays[:2], places[:2]), _checked(arrays[2:], places[2:])
    if train.images.shape[1:] != test.images.shape[1:]:
        shapes = [" x ".join(map(str, part.images.shape[1:3])) for part in (train, test)]
        raise UserError(f"{places[2]}: expected images of {shapes[0]} as in {places[0]}, found {shapes[1]}")
    return train, test


def _checked(arrays: Sequence[np.ndarray], places: Sequence[str]) -> Split:
    (images, labels), (images_place, labels_place) = arrays, places
    if images.ndim != 3 or images.dtype != np.uint8:
        found = f"{images.dtype} {list(images.shape)}"
        raise UserError(f"{images_place}: expected images as uint8 [N, H, W], found {found}")
    if labels.ndim != 1:
        raise UserError(f"{labels_place}: expected labels as [N], found {list(labels.shape)}")
    if images.size == 0:
        raise UserError(f"{images_place}: expected at least one image with pixels, found {list(images.shape)}")
    if len(images) != len(labels):
        expected = f"{len(images)} labels, one for each image in {images_place}"
        raise UserError(f"{labels_place}: expected {expected}, found {len(labels)}")
    if (strangers := np.flatnonzero((labels < 0) | (labels > 9))).size:
        raise UserError(f"{labels_place}: expected labels 0..9, found {labels[strangers[0]]} at index {strangers[0]}")
    return Split(images[..., np.newaxis], labels.astype(np.int32))

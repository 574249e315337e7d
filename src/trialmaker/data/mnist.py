"""MNIST: 70,000 handwritten digits (LeCun, Cortes, Burges 1998, http://yann.lecun.com/exdb/mnist/), and its kin."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from trialmaker.data import mnist_files, mnist_search
from trialmaker.data.files import abridge
from trialmaker.data.mnist_family import LabelTable, identify, is_transposed, label_table
from trialmaker.data.mnist_parts import Part, read_parts
from trialmaker.data.mnist_search import Candidate
from trialmaker.data.splits import Dataset, Split
from trialmaker.data.stratified import split_three_ways
from trialmaker.errors import UserError

log = logging.getLogger(__name__)


def load(
    *,
    directory: Path,
    download: bool,
    mirrors: Sequence[str],
    validation_fraction: float,
    split_seed: int,
    variant: str | None = None,
    test_fraction: float = 0.0,
) -> Dataset:
    """Load MNIST, or another data set that is published in its form; MNIST takes 0.3 s.

    Args:
        directory: a folder that holds its files, itself or in a sub-folder; `mnist_search` says which.
        download: whether to download MNIST's files into the directory if it holds no data set.
        mirrors: base URLs to download from, tried in order.
        validation_fraction, test_fraction: shares of every class of the training files, in [0, 1); no test examples are
            taken from them where there are labelled test files.
        split_seed: seed of the splits, at least 0.
        variant: the name of the data set, or its end, where the folder holds several; None for the only one.

    Returns:
        Images uint8 [N, H, W, 1], of digits 0 is paper and 255 is ink; labels int32 from 0. Its name is the published
        one of what was read, or ``mnist-like``, or the name of a table.

    Raises:
        UserError: no data set is there, or several; it cannot be downloaded, or is damaged; or an argument is out of
            range.
    """
    candidate = _find(directory.absolute(), variant, download, mirrors)
    name, class_names, examples, test = _read(candidate)
    fractions = {"validation_fraction": validation_fraction, "test_fraction": 0.0 if test else test_fraction}
    indices = split_three_ways(examples.labels, **fractions, seed=split_seed)
    train, validation, rest = (Split(examples.images[part], examples.labels[part]) for part in indices)
    return Dataset(name, str(_source(candidate)), class_names, train, validation, test or rest)


def _find(directory: Path, variant: str | None, download: bool, mirrors: Sequence[str]) -> Candidate:
    candidate = mnist_search.find(directory, variant)
    if not candidate and download and variant in (None, "mnist"):
        mnist_files.fetch(directory, mirrors=mirrors)
        candidate = mnist_search.find(directory, variant)
    if not candidate:
        raise mnist_files.missing_error(directory)
    return candidate


def _read(candidate: Candidate) -> tuple[str, tuple[str, ...], Split, Split | None]:
    """Return a data set's name and class names, its training and its test examples; None without labelled ones."""
    train, test = read_parts(candidate.files)
    if not test:
        log.info(f"{train.labels_place}: the test split is drawn from it, since no labelled test file lies beside it")
    _check(train)
    name = identify(train.labels) or candidate.name
    table = label_table(name, train.labels)
    examples = _to_split(train, table, name)
    if not test:
        return name, table.class_names, examples, None
    test_examples = _to_split(test, table, name)
    shapes = [" x ".join(map(str, split.images.shape[1:3])) for split in (examples, test_examples)]
    if shapes[0] != shapes[1]:
        expected = f"images of {shapes[0]} as in {train.images_place}"
        raise UserError(f"{test.images_place}: expected {expected}, found {shapes[1]}")
    return name, table.class_names, examples, test_examples


def _source(candidate: Candidate) -> Path:
    """Return the folder or the zip file of several files, or the only file."""
    files = list(candidate.files.values())
    return files[0] if len(files) == 1 and isinstance(files[0], Path) else candidate.place


def _check(part: Part) -> None:
    """Check that images and labels are examples."""
    images, labels = part.images, part.labels
    if images.ndim != 3 or images.dtype != np.uint8:
        actual = f"{images.dtype} {list(images.shape)}"
        raise UserError(f"{part.images_place}: expected images as uint8 [N, H, W], found {actual}")
    if labels.ndim != 1:
        raise UserError(f"{part.labels_place}: expected labels as [N], found {list(labels.shape)}")
    if images.size == 0:
        raise UserError(f"{part.images_place}: expected at least one image with pixels, found {list(images.shape)}")
    if len(images) != len(labels):
        expected = f"{len(images)} labels, one for each image in {part.images_place}"
        raise UserError(f"{part.labels_place}: expected {expected}, found {len(labels)}")


def _to_split(part: Part, table: LabelTable, name: str) -> Split:
    """Check examples, and make them a split: upright, with labels from 0."""
    _check(part)
    values = np.array(table.values)
    positions = np.searchsorted(values, part.labels).clip(max=len(values) - 1)
    if (outliers := np.flatnonzero(values[positions] != part.labels)).size:
        is_range = values[-1] - values[0] == len(values) - 1
        legal = f"{values[0]}..{values[-1]}" if is_range else abridge(table.class_names)
        actual = f"{part.labels[outliers[0]]} at index {outliers[0]}"
        raise UserError(f"{part.labels_place}: expected labels {legal}, found {actual}")
    images = np.ascontiguousarray(part.images.transpose(0, 2, 1)) if is_transposed(name) else part.images
    return Split(images[..., np.newaxis], positions.astype(np.int32))

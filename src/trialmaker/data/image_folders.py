"""A person's own pictures, in class folders."""

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from trialmaker.data.class_folders import ClassFolders, Pictures, find
from trialmaker.data.files import MAX_BYTES
from trialmaker.data.image_decoding import decode
from trialmaker.data.splits import Dataset, Split
from trialmaker.data.stratified import random_order, split_three_ways
from trialmaker.errors import UserError
from trialmaker.platform.progress_bar import progress_bar

MAX_MISTAKES = 5


def load(
    *,
    directory: Path,
    image_size: tuple[int, int],
    channels: int,
    validation_fraction: float,
    test_fraction: float,
    split_seed: int,
) -> Dataset:
    """Loads ``train/<class>/*``, ``validation/<class>/*`` and ``test/<class>/*``, there or one folder below.

    Where there is no ``validation/`` (or ``val/``, ``valid/``) or no ``test/``, its share of ``train/`` is split off,
    by class; where there is, its fraction does not matter. `class_folders` finds the files, `pictures` decodes them.

    Args:
        directory: where to look.
        image_size: (height, width) that all pictures are brought to.
        channels: 1 for grey, 3 for RGB.
        validation_fraction: share of ``train/``; 0 leaves that split empty.
        test_fraction: the same for the test split; the sum of both is below 1.
        split_seed: draws both splits.

    Returns:
        Images uint8 [N, height, width, channels] in 0..255. Those of train come in a random order drawn by the seed, so
        that the first so many are a fair sample; the others by class. The class names are those of the folders.

    Raises:
        UserError: folders, pictures or fractions that can't be used; for pictures up to five mistakes at once.
    """
    folders = find(directory.absolute())
    parts = _parts(folders, validation_fraction, test_fraction, split_seed)
    splits = _decode_all(parts, image_size, channels)
    return Dataset("images", str(folders.root), folders.class_names, *splits)


def _parts(folders: ClassFolders, validation_fraction: float, test_fraction: float, seed: int) -> list[Pictures]:
    """Train, validation, test: settled before anything is decoded, so that no array is copied."""
    validation_share = 0.0 if folders.validation else validation_fraction
    test_share = 0.0 if folders.test else test_fraction
    _check_counts(folders, needed=1 + (validation_share > 0) + (test_share > 0))
    train, validation, test = split_three_ways(
        folders.train.labels, validation_fraction=validation_share, test_fraction=test_share, seed=seed
    )
    return [
        folders.train.take(train[random_order(len(train), [seed, 2])]),  # streams 0 and 1 drew the splits
        folders.validation or folders.train.take(validation),
        folders.test or folders.train.take(test),
    ]


def _check_counts(folders: ClassFolders, *, needed: int) -> None:
    counts = np.bincount(folders.train.labels, minlength=len(folders.class_names))
    mistakes = [
        f"{folders.root}: expected at least {needed} pictures in train/{name}, one for each split that has no folder "
        f"of its own, found {count}"
        for name, count in zip(folders.class_names, counts, strict=True)
        if count < needed
    ]
    if mistakes:
        raise UserError(*mistakes)


def _decode_all(parts: Sequence[Pictures], image_size: tuple[int, int], channels: int) -> list[Split]:
    paths = [path for part in parts for path in part.paths]
    shape = (len(paths), *image_size, channels)
    size = math.prod(shape)
    if size > MAX_BYTES:
        raise UserError(
            f"{len(paths)} pictures of {' x '.join(map(str, shape[1:]))} bytes take {size / 1000**3:.1f} GB of memory, "
            f"expected at most {MAX_BYTES / 1000**3:.1f} GB; choose a smaller data.height and data.width"
        )
    images = np.empty(shape, dtype=np.uint8)
    mistakes = _decode_into(images, paths)
    if mistakes:
        more = len(mistakes) - MAX_MISTAKES
        raise UserError(*mistakes[:MAX_MISTAKES], *([f"and {more} more of {len(paths)} pictures"] if more > 0 else []))
    ends = np.cumsum([len(part.paths) for part in parts])
    return [Split(some, part.labels) for some, part in zip(np.split(images, ends[:-1]), parts, strict=True)]


def _decode_into(images: np.ndarray, paths: Sequence[Path]) -> list[str]:
    """Fills the array, with a thread for each core (Pillow's decoders run side by side); returns the mistakes."""

    def fill(index: int) -> str:
        try:
            images[index] = decode(paths[index], image_size=images.shape[1:3], channels=images.shape[3])
        except UserError as error:
            return str(error)
        return ""

    mistakes = []
    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        progress_bar(text="decoding", total=len(paths), unit=" pictures", delay_seconds=1) as bar,
    ):
        for mistake in pool.map(fill, range(len(paths))):
            bar.update()
            mistakes += [mistake] if mistake else []
    return mistakes

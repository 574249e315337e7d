"""Data sets of pictures in class folders."""

import logging
import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from trialmaker.data.class_folders import ClassFolders, Pictures, find_class_folders
from trialmaker.data.files import MAX_BYTES, MAX_MISTAKES, abridge, abridge_mistakes
from trialmaker.data.image_decoding import FILE_FORMATS, decode
from trialmaker.data.splits import Dataset, Split
from trialmaker.data.stratified import random_order, split_three_ways
from trialmaker.errors import UserError
from trialmaker.platform.memory import free_memory
from trialmaker.platform.progress_bar import progress_bar

log = logging.getLogger(__name__)


def load(
    *,
    directory: Path,
    image_size: tuple[int, int],
    channels: int,
    validation_fraction: float,
    test_fraction: float,
    split_seed: int,
) -> Dataset:
    """Load ``train/<class>/*``, ``validation/<class>/*`` and ``test/<class>/*``.

    Where there is no ``validation/`` (or ``val/``, ``valid/``) or no ``test/``, a share of every class of ``train/`` is
    split off; where there is, its fraction is ignored. `class_folders` finds the files, `image_decoding` decodes them.

    Args:
        directory: the folder that holds ``train/``, or one that has it in a sub-folder.
        image_size: (height, width) to resize all pictures to, in pixels.
        channels: 1 for grey, 3 for RGB.
        validation_fraction: share of ``train/`` for validation; 0 leaves that split empty.
        test_fraction: the same for the test split; the sum of both is below 1.
        split_seed: seed of both splits and of the order of train, at least 0.

    Returns:
        Images uint8 [N, height, width, channels] in 0..255. Those of train are in a random order, so that the first n
        of them are a fair sample; the others are sorted by class. The class names are the names of the folders.

    Raises:
        UserError: folders, pictures or fractions that cannot be used; more than `MAX_BYTES` of pixels, or than memory
            has room for; for damaged pictures, the first five and the number of the others.
    """
    folders = find_class_folders(directory.absolute())
    if folders.others:
        names = abridge([str(path.relative_to(folders.root)) for path in folders.others])
        log.info(f"{folders.root}: {len(folders.others)} files in class folders are no pictures and not read: {names}")
    parts = _split_files(folders, validation_fraction, test_fraction, split_seed)
    splits = _decode_all(parts, image_size, channels)
    return Dataset("images", str(folders.root), folders.class_names, *splits)


def _split_files(folders: ClassFolders, validation_fraction: float, test_fraction: float, seed: int) -> list[Pictures]:
    """Return train, validation and test as files: split before they are decoded, so that no array is copied."""
    validation_share = 0.0 if folders.validation else validation_fraction
    test_share = 0.0 if folders.test else test_fraction
    _check_counts(folders, minimum=1 + (validation_share > 0) + (test_share > 0))
    train, validation, test = split_three_ways(
        folders.train.labels, validation_fraction=validation_share, test_fraction=test_share, seed=seed
    )
    return [
        folders.train.take(train[random_order(len(train), [seed, 2])]),  # the splits use streams 0 and 1
        folders.validation or folders.train.take(validation),
        folders.test or folders.train.take(test),
    ]


def _check_counts(folders: ClassFolders, *, minimum: int) -> None:
    counts = np.bincount(folders.train.labels, minlength=len(folders.class_names))
    mistakes = [
        f"{folders.root}: expected at least {minimum} pictures in train/{name}, one for each split that has no folder "
        f"of its own, found {count}"
        for name, count in zip(folders.class_names, counts, strict=True)
        if count < minimum
    ]
    if mistakes:
        raise UserError(*abridge_mistakes(mistakes))


def _decode_all(parts: Sequence[Pictures], image_size: tuple[int, int], channels: int) -> list[Split]:
    """Decode all pictures into one array, and split it without a copy."""
    paths = [path for part in parts for path in part.paths]
    shape = (len(paths), *image_size, channels)
    size = math.prod(shape)
    limit = min(MAX_BYTES, free_memory())
    if size > limit:
        raise UserError(
            f"{len(paths)} pictures of {' x '.join(map(str, shape[1:]))} bytes take {size / 1000**3:.1f} GB of memory, "
            f"expected at most {limit / 1000**3:.1f} GB; choose a smaller data.height and data.width"
        )
    images = np.empty(shape, dtype=np.uint8)
    mistakes = _decode_into(images, paths)
    if mistakes:
        more = len(mistakes) - MAX_MISTAKES
        raise UserError(*mistakes[:MAX_MISTAKES], *([f"and {more} more of {len(paths)} pictures"] if more > 0 else []))
    ends = np.cumsum([len(part.paths) for part in parts])
    return [Split(chunk, part.labels) for chunk, part in zip(np.split(images, ends[:-1]), parts, strict=True)]


def _decode_into(images: np.ndarray, paths: Sequence[Path]) -> list[str]:
    """Decode the files into the array, uint8 [N, H, W, C]; return the mistakes.

    One thread for each core: Pillow's decoders release the GIL.
    """

    def fill(index: int) -> str:
        try:
            images[index] = decode(
                paths[index], image_size=images.shape[1:3], channels=images.shape[3], formats=FILE_FORMATS
            )
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

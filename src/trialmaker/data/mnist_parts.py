"""The arrays of a data set in MNIST's form, read from its files, whatever their form."""

import hashlib
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import numpy as np

from trialmaker.data.archives import InputFile, open_input
from trialmaker.data.idx import INT32, READ_BYTES, UINT8, read_idx
from trialmaker.data.mnist_family import MD5_OF_TRAIN_LABELS, identify
from trialmaker.data.npz import read_npz
from trialmaker.data.pixel_tables import read_pixel_table
from trialmaker.errors import UserError

Role = tuple[str, str]  # what a file holds: of which part, what
FOUR_ROLES: tuple[Role, ...] = (("train", "images"), ("train", "labels"), ("test", "images"), ("test", "labels"))
ARRAYS: Role = ("all", "arrays")  # Keras' mnist.npz
TABLE: Role = ("train", "table")
TEST_TABLE: Role = ("test", "table")
NPZ_NAMES = ("x_train", "y_train", "x_test", "y_test")
KUZUSHIJI_ARRAY = "arr_0"


@dataclass(frozen=True)
class Part:
    """Examples as they stand in the files, not checked yet.

    Args:
        images: expected to be uint8 [N, H, W].
        labels: expected to be integers [N].
        images_place, labels_place: their files, for messages.
    """

    images: np.ndarray
    labels: np.ndarray
    images_place: str
    labels_place: str


def read_parts(files: Mapping[Role, InputFile]) -> tuple[Part, Part | None]:
    """Read the training and the test examples; None for a test part that is not there, or has no labels.

    Raises:
        UserError: a file cannot be read.
    """
    if ARRAYS in files:
        arrays = read_npz(files[ARRAYS], NPZ_NAMES)
        places = [f"{name} in {files[ARRAYS]}" for name in NPZ_NAMES]
    elif TABLE in files:
        return _read_tables(files)
    else:
        arrays = [_read_array(role, files[role]) for role in FOUR_ROLES]
        places = [str(files[role]) for role in FOUR_ROLES]
    return Part(arrays[0], arrays[1], places[0], places[1]), Part(arrays[2], arrays[3], places[2], places[3])


def identify_files(files: Mapping[Role, InputFile]) -> str:
    """Return the published set that some files are, by their training labels; "" for none, or where it would take long.

    Those of a table stand among its pixels, which are many.
    """
    with suppress(UserError):  # which reading will raise
        if ARRAYS in files:
            return identify(read_npz(files[ARRAYS], NPZ_NAMES[1:2])[0])
        if (role := FOUR_ROLES[1]) in files:
            with open_input(files[role]) as stream:
                packed = hashlib.md5(usedforsecurity=False)
                for chunk in iter(partial(stream.read, READ_BYTES), b""):
                    packed.update(chunk)
            return MD5_OF_TRAIN_LABELS.get(packed.hexdigest()) or identify(_read_array(role, files[role]))
    return ""


def _read_tables(files: Mapping[Role, InputFile]) -> tuple[Part, Part | None]:
    train = _read_table(files[TABLE])
    if train is None:
        raise UserError(f"{files[TABLE]}: expected a column label, found none")
    return train, _read_table(files[TEST_TABLE]) if TEST_TABLE in files else None


def _read_table(file: InputFile) -> Part | None:
    images, labels = read_pixel_table(file)
    return None if labels is None else Part(images, labels, str(file), str(file))


def _read_array(role: Role, file: InputFile) -> np.ndarray:
    """Read images, or labels: of QMNIST the class alone, the first of eight columns."""
    if file.name.lower().endswith(".npz"):
        return read_npz(file, [KUZUSHIJI_ARRAY])[0]
    if role[1] == "images":
        return read_idx(file, ndim=3)
    has_columns = re.search("idx2", file.name, re.I)
    is_int32 = re.search("-int", file.name, re.I)
    labels = read_idx(file, ndim=2 if has_columns else 1, type_code=INT32 if is_int32 else UINT8)
    if has_columns and not labels.shape[1]:
        raise UserError(f"{file}: expected labels as [N, 8], found {list(labels.shape)}")
    return labels[:, 0] if has_columns else labels

"""Data sets in MNIST's form: what their published labels mean, and which set some labels belong to."""

import hashlib
import string
from dataclasses import dataclass

import numpy as np

DIGITS = tuple(string.digits)
MERGED_LETTERS = tuple("abdefghnqrt")  # the lower-case letters that EMNIST does not merge with their capitals
KUZUSHIJI_49 = (
    *"あいうえおかきくけこさしすせそたちつてとなにぬねの",
    *"はひふへほまみむめもやゆよらりるれろわゐゑをんゝ",
)
FASHION = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)


@dataclass(frozen=True)
class LabelTable:
    """What labels mean.

    Args:
        class_names: K names, in the order of labels.
        values: the labels as they stand in the files, K ascending numbers.
    """

    class_names: tuple[str, ...]
    values: tuple[int, ...]


# By published name: the names of all classes, and the first label.
PUBLISHED_CLASSES: dict[str, tuple[tuple[str, ...], int]] = {
    "emnist-balanced": ((*DIGITS, *string.ascii_uppercase, *MERGED_LETTERS), 0),
    "emnist-bymerge": ((*DIGITS, *string.ascii_uppercase, *MERGED_LETTERS), 0),
    "emnist-byclass": ((*DIGITS, *string.ascii_uppercase, *string.ascii_lowercase), 0),
    "emnist-letters": (tuple(string.ascii_uppercase), 1),
    "fashion-mnist": (FASHION, 0),
    "kmnist": (("お", "き", "す", "つ", "な", "は", "ま", "や", "れ", "を"), 0),
    "k49": (KUZUSHIJI_49, 0),
}
# MD5 of a file of training labels: MNIST's unpacked, the others' as it was published, gzipped.
MD5_OF_TRAIN_LABELS = {
    "a25bea736e30d166cdddb491f175f624": "mnist",
    "25c81989df183df01b3e8a0aad5dffbe": "fashion-mnist",
    "e144d726b3acfaa3e44228e80efcd344": "kmnist",
}
# How many training labels a published set has, and how they begin, for sets that are unpacked or converted.
STARTS = {
    (60_000, (9, 0, 0, 3, 0, 2, 7, 2, 5, 5)): "fashion-mnist",
    (42_000, (1, 0, 1, 4, 0, 0, 7, 3, 5, 3)): "digit-recognizer",
}
# Part of the name of a folder or a zip file, in lower case with "-" for "_" and blanks; and the set that it means.
PLACE_HINTS = {
    "fashion": "fashion-mnist",
    "kuzushiji-49": "k49",
    "kuzushiji": "kmnist",
    "kmnist": "kmnist",
    "kannada": "kannada-mnist",
    "notmnist": "notmnist",
    "digit-recognizer": "digit-recognizer",
}


def label_table(name: str, labels: np.ndarray) -> LabelTable:
    """Return what the labels of a data set mean.

    Args:
        name: the data set's.
        labels: those of its training examples, integers [N], at least one.

    Returns:
        the published classes; of an unknown set the ten digits, or where there are others, all labels that occur.
    """
    names, first = PUBLISHED_CLASSES.get(name, (DIGITS, 0))
    is_known = name in PUBLISHED_CLASSES or int(labels.min()) < 0 or int(labels.max()) < len(DIGITS)
    if first and (labels == 0).any():  # counted from 0 by whoever wrote these files
        first = 0
    if is_known:
        return LabelTable(names, tuple(range(first, first + len(names))))
    values = np.unique(labels).tolist()
    return LabelTable(tuple(map(str, values)), tuple(values))


def is_transposed(name: str) -> bool:
    """Return whether a published set stores its pictures column by column, as all of EMNIST does."""
    return name.startswith("emnist-")


def identify(labels: np.ndarray) -> str:
    """Return the name of the published set that has these training labels, integers [N]; "" for none that is known."""
    if start := STARTS.get((len(labels), tuple(labels[:10].tolist()))):
        return start
    idx = bytes([0, 0, 8, 1]) + len(labels).to_bytes(4, "big") + labels.astype(np.uint8).tobytes()
    return MD5_OF_TRAIN_LABELS.get(hashlib.md5(idx, usedforsecurity=False).hexdigest(), "")


def name_in(text: str) -> str:
    """Return the set that the name of a folder or a zip file means; "" where it means none."""
    normal = normalize(text)
    return next((name for hint, name in PLACE_HINTS.items() if hint in normal), "")


def normalize(name: str) -> str:
    """Return a data set's name as it is compared: ``Fashion_MNIST`` is ``fashion-mnist``."""
    return name.lower().replace("_", "-").replace(" ", "-")

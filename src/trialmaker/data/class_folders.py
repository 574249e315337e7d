"""A person's pictures in the platform's form: ``train/<class>/*.jpg``, and perhaps ``validation/`` and ``test/``."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trialmaker.data.files import listing, natural_order, sub_folders
from trialmaker.errors import UserError

SUFFIXES = (".jpg", ".jpeg", ".png")
OTHER_PICTURES = (".avif", ".bmp", ".gif", ".heic", ".jfif", ".jp2", ".tif", ".tiff", ".webp")
SPELLINGS = {"train": ("train",), "validation": ("validation", "val", "valid"), "test": ("test",)}


@dataclass(frozen=True)
class Pictures:
    """Files that are not decoded yet.

    Args:
        paths: N files, by class, then in natural order.
        labels: int32 [N].
    """

    paths: list[Path]
    labels: np.ndarray

    def take(self, indices: np.ndarray) -> "Pictures":
        """Those at the indices (integers [M])."""
        return Pictures([self.paths[index] for index in indices], self.labels[indices])


@dataclass(frozen=True)
class ClassFolders:
    """What lies in the folders.

    Args:
        root: the folder that holds ``train``.
        class_names: names of the folders in ``train``, in natural order, in Unicode's composed form (NFC).
        train: its files.
        validation: its files; None where there is no such folder.
        test: the same.
    """

    root: Path
    class_names: tuple[str, ...]
    train: Pictures
    validation: Pictures | None
    test: Pictures | None


def find(directory: Path) -> ClassFolders:
    """Finds the folders in the directory or in one of its sub-folders; ``Train`` will do, hidden things are not seen.

    Raises:
        UserError: no directory, no or several ``train`` folders, fewer than two classes, a class without pictures,
            a class that ``train`` does not have, or pictures where they would be overlooked.
    """
    root, parts = _root(directory)
    names = tuple(dict.fromkeys(_classes(parts["train"]).values()))
    if len(names) < 2:
        found = f"only {names[0]}" if names else "none"
        raise UserError(f"{parts['train']}: expected at least two class folders with pictures, found {found}")
    pictures = {part: _pictures(folder, names) for part, folder in parts.items()}
    return ClassFolders(root, names, pictures["train"], pictures.get("validation"), pictures.get("test"))


def _root(directory: Path) -> tuple[Path, dict[str, Path]]:
    """The folder that holds ``train``, and its parts."""
    children = listing(directory)[0]
    parts = _parts(directory)
    if "train" in parts:
        return directory, parts
    found = [(child, parts) for child in children if "train" in (parts := _parts(child))]
    if not found:
        there = f"the folders {_few([child.name for child in children])}" if children else "no folders"
        raise UserError(f"{directory}: expected train/<class>/*.jpg or *.png, there or one folder below, found {there}")
    if len(found) > 1:
        there = _few([child.name for child, _ in found])
        raise UserError(f"{directory}: expected one folder with train/, found {there}: say which as data.directory")
    return found[0]


def _parts(root: Path) -> dict[str, Path]:
    """The folders for train, validation and test, as far as there are any."""
    folders = sub_folders(root)
    parts = {}
    for part, spellings in SPELLINGS.items():
        found = [folder for folder in folders if folder.name.lower() in spellings]
        if len(found) > 1:
            raise UserError(f"{root}: expected one {part} folder, found {_few([folder.name for folder in found])}")
        if found:
            parts[part] = found[0]
    return parts


def _classes(part: Path) -> dict[Path, str]:
    """Class names by folder, in the order of labels."""
    folders, others = listing(part)
    if strays := [path for path in others if path.suffix.lower() in SUFFIXES + OTHER_PICTURES]:
        raise UserError(f"{strays[0]}: expected pictures in class folders only, found {len(strays)} directly in {part}")
    if unprintable := [folder.name for folder in folders if not folder.name.isprintable()]:
        raise UserError(f"{part}: expected class folders with printable names, found {unprintable[0]!a}")
    # macOS writes "é" as two characters, Linux keeps what it was given: the same class all the same.
    classes = {folder: unicodedata.normalize("NFC", folder.name) for folder in folders}
    return dict(sorted(classes.items(), key=lambda item: natural_order(Path(item[1]))))


def _pictures(part: Path, names: Sequence[str]) -> Pictures:
    """All files of one part; every class folder that is wrong is a mistake of its own."""
    classes = _classes(part)
    if not classes:
        raise UserError(f"{part}: expected class folders, found none; without {part.name}/ its share comes from train/")
    found = {folder: _in_class(folder) for folder in classes}
    mistakes = [
        f"{folder}: expected one of the classes in train/ ({_few(names)}), found {name}"
        for folder, name in classes.items()
        if name not in names
    ] + [f"{folder}: expected pictures ({', '.join(SUFFIXES)}), found none" for folder in classes if not found[folder]]
    if mistakes:
        raise UserError(*mistakes)
    label_of = {name: label for label, name in enumerate(names)}
    labels = [label_of[name] for folder, name in classes.items() for _ in found[folder]]
    return Pictures([path for paths in found.values() for path in paths], np.array(labels, dtype=np.int32))


def _in_class(folder: Path) -> list[Path]:
    folders, others = listing(folder)
    if folders:
        raise UserError(f"{folders[0]}: expected pictures directly in the class folder {folder.name}, found a folder")
    for path in others:
        if path.suffix.lower() in OTHER_PICTURES:
            raise UserError(f"{path}: expected {', '.join(SUFFIXES)}, found {path.suffix}; convert it or move it away")
    return [path for path in others if path.suffix.lower() in SUFFIXES]


def _few(names: Sequence[str]) -> str:
    """Names for a message: five of them, and how many more."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")

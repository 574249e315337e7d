"""The files of class folders in the platform's layout: ``train/<class>/*.jpg``, ``validation/``, ``test/``."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trialmaker.data.files import abridge, abridge_mistakes, list_folder, list_sub_folders, natural_order
from trialmaker.data.image_decoding import is_picture
from trialmaker.errors import UserError

# Taken for pictures by name, so that a hundred thousand need not be opened twice; other files are looked into.
PICTURE_SUFFIXES = {
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff"),
    *(".pbm", ".pgm", ".ppm", ".pnm"),
}
READABLE = "jpg, png, bmp, gif, webp, tiff, ppm"
# Pictures that cannot be read, and that a person would miss.
UNSUPPORTED_SUFFIXES = {".avif", ".heic", ".heif", ".jp2", ".jxl", ".dng", ".cr2", ".nef", ".arw", ".psd", ".svg"}
PACKED_SUFFIXES = {".zip", ".gz", ".tgz", ".tar", ".rar", ".7z", ".xz", ".bz2"}
PART_SPELLINGS = {
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid"),
    "test": ("test", "testing"),
}


@dataclass(frozen=True)
class Pictures:
    """Picture files with labels, not decoded yet.

    Args:
        paths: N files, by class, then in natural order.
        labels: int32 [N].
    """

    paths: list[Path]
    labels: np.ndarray

    def take(self, indices: np.ndarray) -> "Pictures":
        """Return the pictures at the indices (integers [M])."""
        return Pictures([self.paths[index] for index in indices], self.labels[indices])


@dataclass(frozen=True)
class ClassFolders:
    """The picture files of all parts.

    Args:
        root: the folder that holds ``train``.
        class_names: names of the folders in ``train``, in natural order, in Unicode's composed form (NFC).
        train: the files below ``train``.
        validation: the files below ``validation``; None where there is no such folder.
        test: the files below ``test``; None where there is no such folder.
        others: the visible files in class folders that are no pictures.
    """

    root: Path
    class_names: tuple[str, ...]
    train: Pictures
    validation: Pictures | None
    test: Pictures | None
    others: list[Path]


def find_class_folders(directory: Path) -> ClassFolders:
    """Find the pictures in the directory or in one of its sub-folders.

    Parts are matched in any case (``Train``); hidden files and folders are ignored.

    Raises:
        UserError: the directory is missing or unreadable; no ``train`` folder, or several; fewer than two classes; a
            class without pictures; a class that ``train`` does not have; or pictures where they would be ignored.
    """
    root, parts = _find_root(directory)
    classes = _class_names(parts["train"])
    names = tuple(dict.fromkeys(classes.values()))
    if len(names) < 2:
        actual = f"only {names[0]}" if names else "none"
        raise UserError(f"{parts['train']}: expected at least two class folders with pictures, found {actual}")
    others: list[Path] = []
    pictures = {
        part: _find_pictures(folder, classes if part == "train" else _class_names(folder), names, others)
        for part, folder in parts.items()
    }
    return ClassFolders(root, names, pictures["train"], pictures.get("validation"), pictures.get("test"), others)


def _find_root(directory: Path) -> tuple[Path, dict[str, Path]]:
    """Return the folder that holds ``train``, and its parts: the directory or a sub-folder of it."""
    children, files = list_folder(directory)
    parts = _find_parts(directory)
    if "train" in parts:
        return directory, parts
    roots = [(child, parts) for child in children if "train" in (parts := _find_parts(child))]
    if not roots:
        folders = f"the folders {abridge([child.name for child in children])}" if children else "no folders"
        content = folders + (f" and the files {abridge([file.name for file in files])}" if files else "")
        is_packed = any(file.suffix.lower() in PACKED_SUFFIXES for file in files)
        way_on = "; unpack them; MNIST and its kin are read by data=mnist, zipped too" if is_packed else ""
        raise UserError(
            f"{directory}: expected train/<class>/*.jpg or *.png, there or one folder below, found {content}{way_on}"
        )
    if len(roots) > 1:
        names = abridge([child.name for child, _ in roots])
        raise UserError(f"{directory}: expected one folder with train/, found {names}: say which as data.directory")
    return roots[0]


def _find_parts(root: Path) -> dict[str, Path]:
    """Return the existing folders of train, validation and test."""
    folders = list_sub_folders(root)
    parts = {}
    for part, spellings in PART_SPELLINGS.items():
        matches = [folder for folder in folders if folder.name.lower() in spellings]
        if len(matches) > 1:
            names = abridge([folder.name for folder in matches])
            raise UserError(f"{root}: expected one {part} folder, found {names}")
        if matches:
            parts[part] = matches[0]
    return parts


def _class_names(part: Path) -> dict[Path, str]:
    """Return the class names by folder, in the order of labels."""
    folders, others = list_folder(part)
    if strays := [path for path in others if _looks_like_picture(path) or _is_unsupported(path)]:
        raise UserError(f"{strays[0]}: expected pictures in class folders only, found {len(strays)} directly in {part}")
    if unprintable := [folder.name for folder in folders if not folder.name.isprintable()]:
        raise UserError(f"{part}: expected class folders with printable names, found {unprintable[0]!a}")
    # macOS writes "é" as two characters, Linux leaves names as they are: both spellings are the same class.
    classes = {folder: unicodedata.normalize("NFC", folder.name) for folder in folders}
    return dict(sorted(classes.items(), key=lambda item: natural_order(Path(item[1]))))


def _find_pictures(part: Path, classes: Mapping[Path, str], names: Sequence[str], others: list[Path]) -> Pictures:
    """Return all pictures of one part; report the first wrong class folders.

    Args:
        part: the folder of the part.
        classes: the class names of its folders.
        names: those of ``train``.
        others: gets the files that are no pictures.
    """
    if not classes:
        raise UserError(f"{part}: expected class folders, found none; without {part.name}/ its share comes from train/")
    files = {folder: _files_of_class(folder, others) for folder in classes}
    known = set(names)
    strange = [f"{folder}: expected one of the classes in train/ ({abridge(names)}), found {name}"
               for folder, name in classes.items() if name not in known]  # fmt: skip
    empty = [f"{folder}: expected pictures ({READABLE}), found none" for folder in classes if not files[folder]]
    if mistakes := [*abridge_mistakes(strange), *abridge_mistakes(empty)]:
        raise UserError(*mistakes)
    label_of = {name: label for label, name in enumerate(names)}
    labels = [label_of[name] for folder, name in classes.items() for _ in files[folder]]
    return Pictures([path for paths in files.values() for path in paths], np.array(labels, dtype=np.int32))


def _files_of_class(folder: Path, others: list[Path]) -> list[Path]:
    """Return the pictures in a class folder; the other files go to ``others``."""
    folders, files = list_folder(folder)
    if folders:
        raise UserError(f"{folders[0]}: expected pictures directly in the class folder {folder.name}, found a folder")
    pictures = [path for path in files if _looks_like_picture(path)]
    rest = sorted(set(files) - set(pictures), key=natural_order)
    if unsupported := [path for path in rest if _is_unsupported(path)]:
        count = f"{len(unsupported)} of {unsupported[0].suffix} and the like in its folder; convert them"
        raise UserError(f"{unsupported[0]}: expected {READABLE}, found {count}")
    others += rest
    return pictures


def _looks_like_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURE_SUFFIXES or is_picture(path)


def _is_unsupported(path: Path) -> bool:
    return path.suffix.lower() in UNSUPPORTED_SUFFIXES

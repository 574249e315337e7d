"""Reading of files and listing of folders: visible entries only, in natural order, failures as ``UserError``."""

import errno
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from trialmaker.errors import UserError, one_line
from trialmaker.platform.regular_files import open_regular

MAX_BYTES = 8 * 1000**3  # of a file, or of what is made from it: a bound for the absurd, not a promise
MAX_MISTAKES = 5  # of one kind, that have a line each
# Of what a person never made, in lower case. "__macosx" is a shadow tree in zip files of macOS, with a file beside each
# real one; "@eadir", "#recycle" and "@recycle" are of network drives.
SYSTEM_NAMES = {
    *("__macosx", "icon\r", "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "system volume information"),
    *("@eadir", "#recycle", "@recycle", "#snapshot"),
}


@contextmanager
def open_file(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file of at most `MAX_BYTES`, without waiting.

    Raises:
        UserError: the file is missing, unreadable, too large, or not a regular file: a pipe or a device might never
            end. An error of reading inside the context is one too.
    """
    try:
        with open_regular(path) as stream:
            size = os.fstat(stream.fileno()).st_size
            if size > MAX_BYTES:
                raise UserError(f"{path}: expected a file of at most {MAX_BYTES} bytes, found {size}")
            yield stream
    except IsADirectoryError:
        raise UserError(f"{path}: expected a file, found a directory") from None
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENXIO):  # the latter: a socket, or a device that is not there
            raise UserError(f"{path}: expected a file, found a device or a pipe") from None
        raise UserError(f"{path}: expected a readable file, found: {error.strerror or one_line(error)}") from None


def read_file(path: Path) -> bytes:
    """Return the content of a regular file; raise as `open_file` does."""
    with open_file(path) as stream:
        return stream.read()


def is_file(path: Path) -> bool:
    """Return whether the path is a regular file or a link to one; False where permission is denied."""
    try:
        return path.is_file()
    except OSError:
        return False


def is_folder(path: Path | os.DirEntry[str]) -> bool:
    """Return whether the path is a folder or a link to one; False where permission is denied and for circular links."""
    try:
        return path.is_dir()
    except OSError:
        return False


def list_folder(folder: Path) -> tuple[list[Path], list[Path]]:
    """List the visible sub-folders and the other visible entries of a folder; links count as their targets.

    Returns:
        Two lists of paths in natural order. The second holds everything that is not a folder: files, but also broken
        links.

    Raises:
        UserError: the folder does not exist or may not be read.
    """
    folders: list[Path] = []
    others: list[Path] = []
    try:
        # scandir, not iterdir: it knows the folders without asking the disk about each of 100,000 pictures.
        with os.scandir(folder) as entries:
            for entry in entries:
                if not is_hidden(entry.name):
                    (folders if is_folder(entry) else others).append(folder / entry.name)
    except OSError as error:
        raise UserError(f"{folder}: expected a readable folder, found: {error.strerror}") from None
    return sorted(folders, key=natural_order), sorted(others, key=natural_order)


def list_sub_folders(folder: Path) -> list[Path]:
    """List the visible sub-folders; none where permission is denied, as for lost+found at the root of a disk."""
    try:
        return list_folder(folder)[0]
    except UserError:
        return []


def natural_order(path: Path) -> tuple[list[str | int], str]:
    """Return a sort key that orders numbers in names by value: '9' before '10'.

    The name itself breaks ties such as '1' and '01'.
    """
    parts = re.split(r"(\d+)", path.name)
    return [int(part) if index % 2 else part for index, part in enumerate(parts)], path.name


def is_hidden(name: str) -> bool:
    """Return whether an operating system or a network drive made the file or folder, or hides it."""
    return name.startswith(".") or name.lower() in SYSTEM_NAMES


def abridge(names: Sequence[str]) -> str:
    """Return the first five names, and how many more there are."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def abridge_mistakes(mistakes: Sequence[str]) -> list[str]:
    """Return mistakes of one kind, a line each; or of many the first one, with the number of the others."""
    if len(mistakes) <= MAX_MISTAKES:
        return list(mistakes)
    return [f"{mistakes[0]}; and {len(mistakes) - 1} more like it"]

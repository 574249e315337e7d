"""Reading of files and listing of folders: visible entries only, in natural order, failures as ``UserError``."""

import os
import re
import stat
from pathlib import Path

from trialmaker.errors import UserError

MAX_BYTES = 8 * 1000**3  # of a file, or of what is made from it: a bound for the absurd, not a promise


def read_file(path: Path) -> bytes:
    """Return the content of a regular file of at most `MAX_BYTES`.

    Raises:
        UserError: the file is missing, unreadable, too large, or not a regular file: a pipe or a device might never
            end.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            kind = "a directory" if stat.S_ISDIR(status.st_mode) else "a device or a pipe"
            raise UserError(f"{path}: expected a file, found {kind}")
        if status.st_size > MAX_BYTES:
            raise UserError(f"{path}: expected a file of at most {MAX_BYTES} bytes, found {status.st_size}")
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: expected a readable file, found: {error.strerror}") from None


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
                if not _is_hidden(entry.name):
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


def _is_hidden(name: str) -> bool:
    # macOS puts a shadow tree of that name into its zip files, with a file beside each real one.
    return name.startswith(".") or name == "__MACOSX"

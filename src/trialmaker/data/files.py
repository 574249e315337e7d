"""Files and folders as a person sees them: nothing hidden, 10 after 9, and every refusal of the disk as a UserError."""

import os
import re
import stat
from pathlib import Path

from trialmaker.errors import UserError

MAX_BYTES = 8 * 1000**3  # of a file, or of what is made from it: a bound for the absurd, not a promise


def read_file(path: Path) -> bytes:
    """The bytes of a regular file of at most `MAX_BYTES`.

    Raises:
        UserError: anything else; a pipe or a device might never end.
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
    """Whether there is a regular file, or a link to one; False where this user may not look."""
    try:
        return path.is_file()
    except OSError:
        return False


def is_folder(path: Path | os.DirEntry[str]) -> bool:
    """Whether there is a folder, or a link to one; False where this user may not look, and for links in a circle."""
    try:
        return path.is_dir()
    except OSError:
        return False


def listing(folder: Path) -> tuple[list[Path], list[Path]]:
    """The visible sub-folders and the other visible entries of a folder; links count as what they lead to.

    Returns:
        Two lists of paths in natural order. The second holds whatever is no folder: files, but also links to nowhere.

    Raises:
        UserError: there is no such folder, or it may not be read.
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


def sub_folders(folder: Path) -> list[Path]:
    """The first half of `listing`; nothing where this user may not look, such as lost+found at the root of a disk."""
    try:
        return listing(folder)[0]
    except UserError:
        return []


def natural_order(path: Path) -> tuple[list[str | int], str]:
    """Sorts numbers in names by value: '9' before '10'. The name itself breaks ties such as '1' and '01'."""
    parts = re.split(r"(\d+)", path.name)
    return [int(part) if index % 2 else part for index, part in enumerate(parts)], path.name


def _is_hidden(name: str) -> bool:
    # macOS puts a shadow tree of that name into its zip files, with a file beside each real one.
    return name.startswith(".") or name == "__MACOSX"

"""The files of a folder that somebody else has made: what lies in it, and not what its links lead to elsewhere.

A hard link cannot be told from a file of the folder's own; to make one, its maker needs the file itself.
"""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from trialmaker.platform.paths import is_own_output


def is_inside(path: Path, folder: Path) -> bool:
    """Return whether a path, its links followed, lies in a folder, or is the folder; what is missing may lie there.

    What the links at the top of the project's own output lead to is in it: its owner has put them there.
    """
    try:
        place = f"{path.resolve()}/"
        return any(place.startswith(f"{str(root).rstrip('/')}/") for root in _roots(folder))
    except (OSError, RuntimeError, ValueError):  # links in a circle; a name with a NUL, or too long
        return False


def _roots(folder: Path) -> Iterator[Path]:
    yield folder.resolve()
    if is_own_output(folder) and folder.is_dir():
        yield from (entry.resolve() for entry in folder.iterdir() if entry.is_symlink())


def regular_files(folder: Path, output: Path) -> tuple[dict[str, Path], int]:
    """Return the regular files below a folder, by their path in it, and how many entries are left out.

    Left out are links that lead out of the output, and whatever is no file: pipes, devices, sockets. Links to folders
    are not followed.

    Args:
        folder: it lies in the output itself, links followed.
        output: the output that it came with.
    """
    files: dict[str, Path] = {}
    count = 0
    for entry in sorted(_entries(folder), key=lambda one: one.path):
        path = Path(entry.path)
        is_own = entry.is_file(follow_symlinks=False) or (entry.is_symlink() and is_inside(path, output))
        if is_own and entry.is_file():
            files[str(path.relative_to(folder))] = path
        elif not (is_own and entry.is_dir()):
            count += 1
    return files, count


@contextmanager
def folder_of(files: Mapping[str, Path]) -> Iterator[Path]:
    """Yield a folder that holds these files alone, by their paths in it, as links; it is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="trialmaker-") as folder:
        for name, path in files.items():
            link = Path(folder, name)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path.resolve())
        yield Path(folder)


def foreign_entry(folder: Path) -> Path | None:
    """Return a link, pipe, device or socket in a folder or below it; None where there is none."""
    alien = (entry for entry in _entries(folder) if not entry.is_file(follow_symlinks=False))
    return next((Path(entry.path) for entry in alien), None)


def links_among(folder: str, names: Sequence[str]) -> set[str]:
    """Return which names in a folder are neither files nor folders of its own: what ``shutil.copytree`` may ignore."""
    paths = {name: Path(folder, name) for name in names}
    return {name for name, path in paths.items() if path.is_symlink() or not (path.is_file() or path.is_dir())}


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yield all that lies below a folder but its folders, which are looked into; links are not."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _entries(Path(entry.path))
            else:
                yield entry

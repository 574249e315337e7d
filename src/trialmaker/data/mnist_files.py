"""The files of MNIST on the disk: its four published ones, or Keras' ``mnist.npz``, in a directory or below it."""

from collections.abc import Sequence
from pathlib import Path

from trialmaker.data.download import PublishedFile, download
from trialmaker.data.files import is_file, is_folder, list_folder, list_sub_folders, read_file
from trialmaker.errors import UserError

# MD5 of the unpacked files. The packed ones were published with f68b3c2dcbeaaa9fbdd348bbdeb94873,
# d53e105ee54ea40749a09fcbcd1e9432, 9fb629c4189551a2d022fa330f9573f3 and ec29112dd5afa0611ce80d1b7f02629c.
PUBLISHED_FILES = (
    PublishedFile("train-images-idx3-ubyte.gz", "6bbc9ace898e44ae57da46a324031adb", 47_040_016),
    PublishedFile("train-labels-idx1-ubyte.gz", "a25bea736e30d166cdddb491f175f624", 60_008),
    PublishedFile("t10k-images-idx3-ubyte.gz", "2646ac647ad5339dbf082846283269ea", 7_840_016),
    PublishedFile("t10k-labels-idx1-ubyte.gz", "27ae3e4e09519cfbb04c329615203637", 10_008),
)
MAX_MNIST_DEPTH = 3
MIRROR_TIMEOUT_SECONDS = 30.0


def find(directory: Path) -> list[Path]:
    """Find MNIST in the directory or its sub-folders: breadth first, `MAX_MNIST_DEPTH` levels deep.

    Returns:
        The four files (train images, train labels, test images, test labels), or one ``.npz``, or an empty list.

    Raises:
        UserError: the directory may not be read; or two folders of one level hold MNIST, of which one may well be
            Fashion-MNIST, whose files have the same names.
    """
    level = [directory] if is_folder(directory) else []
    if level:
        list_folder(directory)  # for its error: unreadable folders below are skipped
    for _ in range(MAX_MNIST_DEPTH + 1):
        # By real path: a link beside its folder is no second MNIST.
        matches = {folder.resolve(): paths for folder in level if (paths := _files_in(folder))}
        if len(matches) > 1:
            folders = " and in ".join(str(paths[0].parent) for paths in matches.values())
            raise UserError(f"MNIST lies in {folders}: say which one to use as data.directory")
        if matches:
            return next(iter(matches.values()))
        level = [folder for parent in level for folder in list_sub_folders(parent)]
    return []


def fetch(directory: Path, *, mirrors: Sequence[str]) -> None:
    """Download those of the four files that are not in the directory itself.

    Raises:
        UserError: no mirror serves a file; or a file that is already there differs from the published one, so that the
            others would not fit it.
    """
    missing = []
    for file in PUBLISHED_FILES:
        path = _path_of(file, directory)
        if path is None:
            missing.append(file)
        elif not file.matches(read_file(path)):
            raise UserError(f"{path}: expected MNIST's own file, found other bytes; move it away to download MNIST")
    download(missing, directory=directory, mirrors=mirrors, timeout_seconds=MIRROR_TIMEOUT_SECONDS)


def missing_error(directory: Path) -> UserError:
    """Return the error for a directory without MNIST; its message names the three remedies."""
    missing = [file.name for file in PUBLISHED_FILES if _path_of(file, directory) is None]
    lacks = "lacks" if is_folder(directory) else "is no readable folder, and so lacks"
    return UserError(
        f"no MNIST: {directory} {lacks} {', '.join(missing)}; put them there (or mnist.npz), "
        "or download them with data.download=true, or use the small digits that come with scikit-learn: data=digits"
    )


def _files_in(folder: Path) -> list[Path]:
    paths = [path for file in PUBLISHED_FILES if (path := _path_of(file, folder))]
    npz = folder / "mnist.npz"
    return paths if len(paths) == len(PUBLISHED_FILES) else [npz] if is_file(npz) else []


def _path_of(file: PublishedFile, folder: Path) -> Path | None:
    """Return the path of a published file in one of its spellings; unpacked first, which is faster to read."""
    stem = file.name.removesuffix(".gz")
    for name in (stem, stem.replace("-idx", ".idx")):
        for path in (folder / name, folder / f"{name}.gz"):
            if is_file(path):
                return path
    return None

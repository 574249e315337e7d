"""Where MNIST lies: its four published files, or Keras' ``mnist.npz``, in a directory or somewhat below it."""

from collections.abc import Sequence
from pathlib import Path

from trialmaker.data.download import PublishedFile, download
from trialmaker.data.files import is_file, is_folder, listing, read_file, sub_folders
from trialmaker.errors import UserError

# MD5 of the unpacked files. The packed ones were published with f68b3c2dcbeaaa9fbdd348bbdeb94873,
# d53e105ee54ea40749a09fcbcd1e9432, 9fb629c4189551a2d022fa330f9573f3 and ec29112dd5afa0611ce80d1b7f02629c.
PUBLISHED = (
    PublishedFile("train-images-idx3-ubyte.gz", "6bbc9ace898e44ae57da46a324031adb", 47_040_016),
    PublishedFile("train-labels-idx1-ubyte.gz", "a25bea736e30d166cdddb491f175f624", 60_008),
    PublishedFile("t10k-images-idx3-ubyte.gz", "2646ac647ad5339dbf082846283269ea", 7_840_016),
    PublishedFile("t10k-labels-idx1-ubyte.gz", "27ae3e4e09519cfbb04c329615203637", 10_008),
)
MAX_DEPTH = 3
TIMEOUT_SECONDS = 30.0


def find(directory: Path) -> list[Path]:
    """Looks for MNIST in the directory, then in its sub-folders, level by level, `MAX_DEPTH` deep.

    Returns:
        The four files (train images, train labels, test images, test labels), or one ``.npz``, or nothing.

    Raises:
        UserError: the directory may not be read; MNIST lies in two folders of one level, and one of them may well be
            Fashion-MNIST, whose files have the same names.
    """
    level = [directory] if is_folder(directory) else []
    if level:
        listing(directory)  # for its error: below, folders that can't be read are passed over
    for _ in range(MAX_DEPTH + 1):
        # By real path: a link beside its folder is no second MNIST.
        found = {folder.resolve(): paths for folder in level if (paths := _in_folder(folder))}
        if len(found) > 1:
            folders = " and in ".join(str(paths[0].parent) for paths in found.values())
            raise UserError(f"MNIST lies in {folders}: say which one to use as data.directory")
        if found:
            return next(iter(found.values()))
        level = [folder for parent in level for folder in sub_folders(parent)]
    return []


def fetch(directory: Path, *, mirrors: Sequence[str]) -> None:
    """Downloads those of the four files that are not in the directory itself.

    Raises:
        UserError: no mirror has them; or a file that is already there is not MNIST's, and the rest would not fit it.
    """
    missing = []
    for file in PUBLISHED:
        present = _spelled(directory, file)
        if present is None:
            missing.append(file)
        elif not file.matches(read_file(present)):
            raise UserError(f"{present}: expected MNIST's own file, found other bytes; move it away to download MNIST")
    download(missing, directory=directory, mirrors=mirrors, timeout_seconds=TIMEOUT_SECONDS)


def not_found(directory: Path) -> UserError:
    """The error for a directory without MNIST, with the three ways on."""
    missing = [file.name for file in PUBLISHED if _spelled(directory, file) is None]
    lacks = "lacks" if is_folder(directory) else "is no readable folder, and so lacks"
    return UserError(
        f"no MNIST: {directory} {lacks} {', '.join(missing)}; put them there (or mnist.npz), "
        "or download them with data.download=true, or use the small digits that come with scikit-learn: data=digits"
    )


def _in_folder(folder: Path) -> list[Path]:
    paths = [path for file in PUBLISHED if (path := _spelled(folder, file))]
    npz = folder / "mnist.npz"
    return paths if len(paths) == len(PUBLISHED) else [npz] if is_file(npz) else []


def _spelled(folder: Path, file: PublishedFile) -> Path | None:
    """The file in one of its spellings; unpacked first, since that is faster to read."""
    stem = file.name.removesuffix(".gz")
    for name in (stem, stem.replace("-idx", ".idx")):
        for path in (folder / name, folder / f"{name}.gz"):
            if is_file(path):
                return path
    return None

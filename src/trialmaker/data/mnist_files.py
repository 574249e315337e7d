"""The four published files of MNIST: their download, and what is said where no data set is."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from trialmaker.data import mnist_search
from trialmaker.data.archives import zip_members
from trialmaker.data.download import PublishedFile, download
from trialmaker.data.files import abridge, is_file, is_folder, list_folder, read_file
from trialmaker.errors import UserError

# MD5 of the unpacked files. The packed ones were published with f68b3c2dcbeaaa9fbdd348bbdeb94873,
# d53e105ee54ea40749a09fcbcd1e9432, 9fb629c4189551a2d022fa330f9573f3 and ec29112dd5afa0611ce80d1b7f02629c.
PUBLISHED_FILES = (
    PublishedFile("train-images-idx3-ubyte.gz", "6bbc9ace898e44ae57da46a324031adb", 47_040_016),
    PublishedFile("train-labels-idx1-ubyte.gz", "a25bea736e30d166cdddb491f175f624", 60_008),
    PublishedFile("t10k-images-idx3-ubyte.gz", "2646ac647ad5339dbf082846283269ea", 7_840_016),
    PublishedFile("t10k-labels-idx1-ubyte.gz", "27ae3e4e09519cfbb04c329615203637", 10_008),
)
MIRROR_TIMEOUT_SECONDS = 30.0
EXPECTED = "MNIST, Fashion-MNIST, EMNIST, KMNIST, QMNIST or Kaggle's train.csv, under their published names or zipped"
WAYS_ON = (
    "put them there, or name their folder as data.directory, or download MNIST with data.download=true, "
    "or use the small digits that come with scikit-learn: data=digits; class folders of pictures are data=images"
)


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
            actual = "found other bytes; to download MNIST, name another data.directory"
            raise UserError(f"{path}: expected MNIST's own file, {actual}")
    download(missing, directory=directory, mirrors=mirrors, timeout_seconds=MIRROR_TIMEOUT_SECONDS)


def missing_error(directory: Path) -> UserError:
    """Return the error for a directory without a data set: what lies there, what would be one, and the ways on."""
    return UserError(f"no data set: {directory} {'; '.join(_content(directory))}; expected {EXPECTED}: {WAYS_ON}")


def _content(directory: Path) -> Iterator[str]:
    """Yield what lies in a directory, which parts of a data set are missing, and what its zip files hold."""
    paths = [directory]
    if is_folder(directory):
        paths = [path for entries in list_folder(directory) for path in entries]
        yield f"holds {abridge([path.name for path in paths])}" if paths else "is empty"
    else:
        yield "is a file" if is_file(directory) else "is no readable folder"
    for candidate in mnist_search.incomplete(directory):
        missing = ", ".join(f"{'training' if part == 'train' else part} {kind}" for part, kind in candidate.missing)
        yield f"{next(iter(candidate.files.values()))} lies there without its {missing}"
    for path in paths:
        if path.suffix.lower() == ".zip" and is_file(path):
            try:
                names = [member.name for member in zip_members(path)]
                yield f"{path.name} holds {abridge(names) or 'nothing'}"
            except UserError as error:
                yield str(error)


def _path_of(file: PublishedFile, folder: Path) -> Path | None:
    """Return the path of a published file in one of its spellings; unpacked first, which is faster to read."""
    stem = file.name.removesuffix(".gz")
    for name in (stem, stem.replace("-idx", ".idx")):
        for path in (folder / name, folder / f"{name}.gz"):
            if is_file(path):
                return path
    return None

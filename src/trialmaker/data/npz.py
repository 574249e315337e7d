"""Reading of ``.npz`` archives (NumPy's own format), without pickle, which could run code."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from trialmaker.data.archives import InputFile, open_input
from trialmaker.data.files import MAX_BYTES
from trialmaker.errors import UserError, one_line


def read_npz(file: InputFile, names: Sequence[str]) -> list[np.ndarray]:
    """Read arrays of integers from an archive.

    Args:
        file: the archive.
        names: the arrays to read, without ``.npy``.

    Returns:
        The arrays in the order of ``names``: any integer dtype, any shape, C-contiguous.

    Raises:
        UserError: the archive is unreadable or damaged, lacks an array, or has one that is too large or whose dtype is
            not an integer.
    """
    with _seekable(file) as stream:
        try:
            # Opened here: np.load forgets to close what it can't read.
            with np.load(stream, allow_pickle=False) as archive:
                _check_sizes(archive, names)
                arrays = [archive[name] for name in names]
        except Exception as error:  # numpy, zipfile, zlib and ast raise a dozen types on damaged files
            expected = f"an .npz archive with {', '.join(names)}"
            raise UserError(f"{file}: expected {expected}, found: {one_line(error)}") from None
    for name, array in zip(names, arrays, strict=True):
        if array.dtype.kind not in "iu":
            raise UserError(f"{file}: expected integers in {name}, found {array.dtype}")
    return [np.ascontiguousarray(array) for array in arrays]


@contextmanager
def _seekable(file: InputFile) -> Iterator[IO[bytes]]:
    """Open a file to jump in: one in an archive is unpacked into memory first."""
    with open_input(file) as stream:
        yield stream if isinstance(file, Path) else io.BytesIO(stream.read())


def _check_sizes(archive: "np.lib.npyio.NpzFile", names: Sequence[str]) -> None:
    for info in archive.zip.infolist() if archive.zip else ():
        if info.filename.removesuffix(".npy") in names and info.file_size > MAX_BYTES:
            raise ValueError(f"{info.filename} of {info.file_size} bytes, more than {MAX_BYTES}")

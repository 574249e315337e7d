"""Reading of ``.npz`` archives (NumPy's own format), without pickle, which could run code."""

import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from trialmaker.data.archives import BOUNDED_METHODS, InputFile, open_input
from trialmaker.data.files import MAX_BYTES
from trialmaker.errors import UserError, one_line
from trialmaker.platform.unpacking import check_memory, check_unpacked


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
                _check_sizes(file, archive.zip.infolist() if archive.zip else (), names)
                arrays = [archive[name] for name in names]
        except UserError:
            raise
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


def _check_sizes(file: InputFile, entries: Iterable[zipfile.ZipInfo], names: Sequence[str]) -> None:
    wanted = [info for info in entries if info.filename.removesuffix(".npy") in names]
    for info in wanted:
        if info.file_size > MAX_BYTES:
            raise ValueError(f"{info.filename} of {info.file_size} bytes, more than {MAX_BYTES}")
        if info.compress_type not in BOUNDED_METHODS:
            raise ValueError(f"{info.filename}, packed by another method than deflate")
        check_unpacked(f"{info.filename} in {file}", info.file_size, packed=info.compress_size)
    check_memory(file, 2 * sum(info.file_size for info in wanted))  # data is copied as it is split

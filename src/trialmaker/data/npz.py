"""Reading of ``.npz`` archives (NumPy's own format), without pickle, which could run code."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from trialmaker.errors import UserError, one_line


def read_npz(path: Path, names: Sequence[str]) -> list[np.ndarray]:
    """Read arrays of integers from an archive.

    Args:
        path: the archive.
        names: the arrays to read, without ``.npy``.

    Returns:
        The arrays in the order of ``names``: any integer dtype, any shape, C-contiguous.

    Raises:
        UserError: the archive is unreadable or damaged, lacks an array, or has one whose dtype is not an integer.
    """
    try:
        # Opened here: np.load forgets to close what it can't read.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            arrays = [archive[name] for name in names]
    except Exception as error:  # numpy, zipfile, zlib and ast raise a dozen types on damaged files
        raise UserError(f"{path}: expected an .npz archive with {', '.join(names)}, found: {one_line(error)}") from None
    for name, array in zip(names, arrays, strict=True):
        if array.dtype.kind not in "iu":
            raise UserError(f"{path}: expected integers in {name}, found {array.dtype}")
    return [np.ascontiguousarray(array) for array in arrays]

"""``.npz`` archives, NumPy's own; read without pickle, which could run code."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from trialmaker.errors import UserError


def read_npz(path: Path, names: Sequence[str]) -> list[np.ndarray]:
    """Reads arrays by name.

    Returns:
        The arrays, in the order of ``names``; integers of any size, C-contiguous.

    Raises:
        UserError: no readable archive, an array is missing, or one holds something else than integers.
    """
    try:
        # Opened here: np.load forgets to close what it can't read.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            arrays = [archive[name] for name in names]
    except Exception as error:  # numpy, zipfile, zlib and ast raise a dozen types on damaged files
        cause = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path}: expected an .npz archive with {', '.join(names)}, found: {cause}") from None
    for name, array in zip(names, arrays, strict=True):
        if array.dtype.kind not in "iu":
            raise UserError(f"{path}: expected integers in {name}, found {array.dtype}")
    return [np.ascontiguousarray(array) for array in arrays]

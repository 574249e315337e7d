"""Checkpoints as files: ``checkpoint-<n>.npz``, of which the newest that is whole counts.

A file is NumPy's ``npz``: a zip archive of ``npy`` files, here uncompressed, whose checksums are those of the archive.
Nothing in it is executed, and none of it is believed before it is seen to be whole.
"""

import io
import json
import logging
import math
import os
import re
import secrets
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np

from trialmaker.errors import MAX_SHOWN_CHARACTERS, one_line, printable
from trialmaker.platform.memory import free_memory
from trialmaker.platform.regular_files import open_regular
from trialmaker.training.snapshot import Snapshot

log = logging.getLogger(__name__)

CHECKPOINT_NAME = re.compile(r"checkpoint-([1-9][0-9]*)\.npz")
TEMPORARY_PATTERN = ".checkpoint-*.npz.*"
VALUES, ARRAYS, SUFFIX = "values", "arrays/", ".npy"
ARRAY_NAME = re.compile(r"[A-Za-z0-9_-][\w.-]*(/[A-Za-z0-9_-][\w.-]*)*", re.ASCII)
READ_ERRORS = (  # what zipfile, numpy and json raise where a file is cut, changed, or made to be trouble
    *(OSError, EOFError, ValueError, TypeError, KeyError, SyntaxError, NotImplementedError, RuntimeError),
    *(MemoryError, OverflowError, zipfile.BadZipFile, zlib.error),
)


def write_checkpoint(directory: Path, snapshot: Snapshot) -> Path:
    """Write a checkpoint beside the earlier ones, read it back, and only then remove those; return its path.

    It is written to a temporary name, flushed to the disk, and renamed. One process at a time writes to a directory:
    temporary files in it are those of a process that was killed, and are removed.

    Args:
        directory: created where it does not exist.

    Raises:
        OSError: it can't be written; the earlier one stays, and nothing of this one is left.
        ValueError: a name or an array that such a file can't hold.
    """
    _check(snapshot)
    text = json.dumps({"values": snapshot.values, "arrays": list(snapshot.arrays)}).encode()
    directory.mkdir(parents=True, exist_ok=True)
    for leftover in directory.glob(TEMPORARY_PATTERN):
        leftover.unlink(missing_ok=True)
    earlier = _checkpoints(directory)
    path = directory / f"checkpoint-{max(earlier, default=0) + 1}.npz"
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        _write(temporary, text, snapshot.arrays)
        _verify(temporary, text, [ARRAYS + name for name in snapshot.arrays])
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _flush_directory(directory)
    for old in earlier.values():
        with suppress(OSError):  # the next write tries again
            old.unlink()
    return path


def read_checkpoint(directory: Path) -> Snapshot | None:
    """Return the newest checkpoint that can be read as a whole; None where there is none.

    Its arrays are those that were written, bit for bit; they can't be written to. A warning names one that is damaged.

    Raises:
        OSError: the directory can't be read.
    """
    for _, path in sorted(_checkpoints(directory).items(), reverse=True):
        try:
            with open_regular(path) as file:
                return _snapshot(dict(_entries(file)))
        except READ_ERRORS as error:
            why = printable(one_line(getattr(error, "strerror", None) or error, MAX_SHOWN_CHARACTERS))
            log.warning(f"{path}: a damaged checkpoint ({why}) is left out: the one before it counts, if there is one")
    return None


def _checkpoints(directory: Path) -> dict[int, Path]:
    """Return the paths of a directory's checkpoints by number."""
    try:
        paths = list(directory.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return {int(match[1]): path for path in paths if (match := CHECKPOINT_NAME.fullmatch(path.name))}


def _check(snapshot: Snapshot) -> None:
    """Raise ``ValueError`` for what could be written, but not read back."""
    for name, array in snapshot.arrays.items():
        if not ARRAY_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of an array in a checkpoint")
        described = np.lib.format.descr_to_dtype(np.lib.format.dtype_to_descr(array.dtype))
        if array.dtype.hasobject or described != array.dtype:
            raise ValueError(f"{name}: an array of {array.dtype} can't be kept in a checkpoint")


def _write(path: Path, text: bytes, arrays: Mapping[str, np.ndarray]) -> None:
    with path.open("xb") as file:
        with zipfile.ZipFile(file, "w") as archive:
            _write_entry(archive, VALUES, np.frombuffer(text, np.uint8))
            for name, array in arrays.items():
                _write_entry(archive, ARRAYS + name, array)
        file.flush()
        os.fsync(file.fileno())


def _write_entry(archive: zipfile.ZipFile, name: str, array: np.ndarray) -> None:
    """Write an array as it is, without a copy; a fixed date makes files of the same content equal."""
    array = np.asarray(array, order="C")
    with archive.open(zipfile.ZipInfo(name + SUFFIX), "w", force_zip64=True) as entry:
        np.lib.format.write_array_header_1_0(entry, np.lib.format.header_data_from_array_1_0(array))
        entry.write(array.ravel().view(np.uint8).data)


def _verify(path: Path, text: bytes, arrays: list[str]) -> None:
    """Raise ``OSError`` if a file that was written is not what it should be; hold no array in memory for that."""
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            names = [entry.filename.removesuffix(SUFFIX) for entry in archive.infolist()]
            is_whole = archive.testzip() is None and names == [VALUES, *arrays]
            is_same = _array(archive.read(VALUES + SUFFIX)).tobytes() == text
    except READ_ERRORS as error:
        raise OSError(f"{path.name} could not be read back: {error}") from error
    if not (is_whole and is_same):
        raise OSError(f"{path.name} is not what was written")


def _entries(file: BinaryIO) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the archive's arrays by name, one after another; raise one of ``READ_ERRORS`` where something is wrong."""
    size = os.fstat(file.fileno()).st_size
    if size > free_memory():
        raise ValueError(f"its {size / 1e9:.1f} GB are more than the memory that is free")
    with zipfile.ZipFile(file) as archive:
        names = [entry.filename for entry in archive.infolist()]
        if len(set(names)) < len(names):
            raise ValueError("two entries of one name")
        if sum(entry.file_size for entry in archive.infolist()) > size:  # one may lie within another
            raise ValueError("its entries say to be larger than the file")
        for entry in archive.infolist():
            name = entry.filename.removesuffix(SUFFIX)
            if entry.filename == name or not (name == VALUES or ARRAY_NAME.fullmatch(name.removeprefix(ARRAYS))):
                raise ValueError(f"{entry.filename!r} is no array of a checkpoint")
            if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > size:
                raise ValueError(f"{name}: says to be larger than the file")
            yield name, _array(archive.read(entry))


def _array(content: bytes) -> np.ndarray:
    """Return the array of an npy file, which holds no more and no less."""
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
    shape, is_fortran, dtype = read_header(file)
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(content) - file.tell():
        raise ValueError(f"{shape} of {dtype} is not what follows")
    return np.ndarray(shape, dtype, content, file.tell(), order="F" if is_fortran else "C")


def _snapshot(arrays: dict[str, np.ndarray]) -> Snapshot:
    """Return what was written; the archive's own list of its entries has no checksum."""
    contents = json.loads(arrays.pop(VALUES).tobytes())
    names = contents["arrays"]
    if list(arrays) != [ARRAYS + name for name in names] or not isinstance(contents["values"], dict):
        raise ValueError("not the arrays that were written")
    return Snapshot(contents["values"], dict(zip(names, arrays.values(), strict=True)))


def _flush_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

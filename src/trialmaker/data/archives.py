"""Files of the input, on the disk or in a zip archive, which is read where it lies and never unpacked."""

import lzma
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from trialmaker.data.files import MAX_BYTES, is_hidden, open_file
from trialmaker.errors import UserError, one_line
from trialmaker.platform.unpacking import DEFLATE_RATIO, check_unpacked

# Of files packed by other methods, zipfile unpacks a whole read at once, however large it becomes.
BOUNDED_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What zipfile raises on a damaged or encrypted archive, or one that is packed in a way that it does not know.
ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError)


@dataclass(frozen=True)
class ZipMember:
    """A file in a zip archive.

    Args:
        archive: the archive's path.
        member: the file's path in it.
    """

    archive: Path
    member: str

    @property
    def name(self) -> str:
        """Return the file's name, without folders."""
        return PurePosixPath(self.member).name

    def __str__(self) -> str:
        return f"{self.member} in {self.archive}"


InputFile = Path | ZipMember


def zip_members(archive: Path) -> list[ZipMember]:
    """Return the visible files in a zip archive, in its order.

    Raises:
        UserError: the archive cannot be read.
    """
    with _open_archive(archive) as contents:
        names = [info.filename for info in contents.infolist() if not info.is_dir()]
    return [ZipMember(archive, name) for name in names if not any(map(is_hidden, PurePosixPath(name).parts))]


def check_content(file: InputFile, size: int, *, is_packed: bool) -> None:
    """Check that the content of a file may be read, twice over: data is copied as it is split.

    Args:
        file: the file.
        size: of the content, bytes, as its header claims; a claim of more than can be in the file is not of account.
        is_packed: whether the file is packed itself, by gzip.

    Raises:
        UserError: it is packed too densely, or too large for the memory there is.
    """
    held, packed = _sizes(file)
    check_unpacked(file, min(size, held * DEFLATE_RATIO if is_packed else held), packed=packed, copies=2)


def _sizes(file: InputFile) -> tuple[int, int]:
    """Return the bytes of a file, and those that it takes on the disk."""
    if isinstance(file, Path):
        with open_file(file) as stream:
            return 2 * (os.fstat(stream.fileno()).st_size,)
    with _open_archive(file.archive) as contents:
        info = contents.getinfo(file.member)
        return info.file_size, info.compress_size


@contextmanager
def open_input(file: InputFile) -> Iterator[IO[bytes]]:
    """Open a regular file, or a file in an archive, of at most `MAX_BYTES`.

    Raises:
        UserError: the file cannot be read, or is too large; or, in an archive, is found to be damaged inside the
            context.
    """
    if isinstance(file, Path):
        with open_file(file) as stream:
            yield stream
        return
    with _open_archive(file.archive) as contents:
        info = contents.getinfo(file.member)
        if info.file_size > MAX_BYTES:
            raise UserError(f"{file}: expected a file of at most {MAX_BYTES} bytes, found {info.file_size}")
        if info.compress_type not in BOUNDED_METHODS:
            raise UserError(f"{file}: expected it packed by deflate, found another method; unpack the archive")
        check_unpacked(file, info.file_size, packed=info.compress_size)  # zipfile unpacks no more than file_size
        with contents.open(file.member) as stream:
            yield stream


@contextmanager
def _open_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    with open_file(path) as stream:
        try:
            with zipfile.ZipFile(stream) as contents:
                yield contents
        except ZIP_ERRORS as error:
            raise UserError(f"{path}: expected a whole zip archive, found: {one_line(error)}") from None

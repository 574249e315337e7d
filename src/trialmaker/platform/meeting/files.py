"""A folder's files on their way to the first instance: a tar in pieces, unpacked as data."""

import io
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from trialmaker.errors import UserError
from trialmaker.platform.meeting.messages import STREAM_PIECE_BYTES
from trialmaker.platform.regular_files import open_regular

MAX_PUSHED_BYTES = 8 * 1024**3  # of one folder
MAX_PUSHED_FILES = 100_000
SPARED_BYTES = 64 * 1024**2  # that stay free where it is unpacked


def packed(folder: Path) -> Iterator[bytes]:
    """Yield a tar of a folder's regular files, in pieces; links and what else it holds are left out.

    A file that grows meanwhile, such as a log, is packed as long as it was at first.

    Raises:
        OSError: a file cannot be read.
    """
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()):
        with open_regular(path) as file:
            info = tarfile.TarInfo(str(path.relative_to(folder)))
            info.size = left = os.fstat(file.fileno()).st_size
            yield info.tobuf(tarfile.PAX_FORMAT)
            while left:
                piece = file.read(min(left, STREAM_PIECE_BYTES))
                if not piece:
                    raise OSError(f"{path}: became shorter while it was read")
                yield piece
                left -= len(piece)
            yield bytes(-info.size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)


def unpack(pieces: Iterator[bytes]) -> Path:
    """Unpack a tar to a new temporary folder; return it. Of what goes wrong, nothing stays.

    Raises:
        UserError: it holds something else than files, one outside of the folder, or more than there may be.
        OSError: it cannot be written.
    """
    folder = Path(tempfile.mkdtemp(prefix="push-"))
    try:
        limit = min(MAX_PUSHED_BYTES, shutil.disk_usage(folder).free - SPARED_BYTES)
        with tarfile.open(fileobj=io.BufferedReader(_Pieces(pieces, limit)), mode="r|") as tar:
            for count, member in enumerate(tar):
                if count >= MAX_PUSHED_FILES:
                    raise UserError(f"more than {MAX_PUSHED_FILES} files")
                _write(tar, member, folder)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, tarfile.TarError | ValueError | EOFError):
            raise UserError(f"is no tar: {error}") from error
        raise
    return folder


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    name = PurePosixPath(member.name)
    is_plain = member.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not member.issparse()
    if not is_plain or name.is_absolute() or ".." in name.parts or not name.parts or "\0" in member.name:
        raise UserError(f"{member.name!r}: is no plain file inside of the folder")
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    content = tar.extractfile(member)
    with target.open("xb") as file:
        if content:
            shutil.copyfileobj(content, file, STREAM_PIECE_BYTES)


class _Pieces(io.RawIOBase):
    """A stream of pieces as a file, of at most so many bytes."""

    def __init__(self, pieces: Iterator[bytes], limit: int) -> None:
        self.pieces, self.left, self.rest = pieces, limit, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview[int]") -> int:  # type: ignore[override]
        while not self.rest:
            piece = next(self.pieces, None)
            if piece is None:
                return 0
            self.left -= len(piece)
            if self.left < 0:
                raise UserError(f"more than the {MAX_PUSHED_BYTES / 1e9:.0f} GB that are taken, or than is free")
            self.rest = piece
        size = min(len(buffer), len(self.rest))
        buffer[:size], self.rest = self.rest[:size], self.rest[size:]
        return size

"""IDX, the format that MNIST is published in: a big-endian header, then the bytes, row by row.

The header is 00 00, a type code (08: unsigned bytes), the number of dimensions, then each one as a 32-bit integer.
Format: http://yann.lecun.com/exdb/mnist/, "THE IDX FILE FORMAT".
"""

import math
import zlib
from pathlib import Path

import numpy as np

from trialmaker.data.files import MAX_BYTES, read_file
from trialmaker.errors import UserError

TYPES = {0x08: "uint8", 0x09: "int8", 0x0B: "int16", 0x0C: "int32", 0x0D: "float32", 0x0E: "float64"}


def read_idx(path: Path, *, ndim: int) -> np.ndarray:
    """Reads one IDX file of unsigned bytes, and believes nothing that it says about itself.

    Args:
        path: plain or gzipped; the content tells which, since browsers unpack files and keep the ``.gz``.
        ndim: the number of dimensions to expect: 3 for images, 1 for labels.

    Returns:
        uint8 array of ``ndim`` dimensions, C-contiguous, read-only (it is the decoded file itself, not a copy).

    Raises:
        UserError: the file is missing, unreadable, no regular file, cut off, too long, or not what was asked for.
            It never takes more memory than the file and what is really in it.
    """
    raw = read_file(path)
    header_size = 4 + 4 * ndim
    try:
        shape = _shape(path, unzip(raw, header_size), ndim)
        size = math.prod(shape)
        # One byte more than there should be, so that trailing ones show.
        content = unzip(raw, header_size + size + 1)
    except zlib.error as error:
        raise _wrong(path, "a whole gzip file", f"a damaged one ({error})") from None
    found = len(content) - header_size
    if found != size:
        expected = f"{_times(shape)} bytes of data after the header"
        raise _wrong(path, expected, f"{found} bytes" if found < size else "more")
    return np.frombuffer(content, np.uint8, size, offset=header_size).reshape(shape)


def unzip(raw: bytes, limit: int) -> bytes:
    """The first ``limit`` bytes, unpacked if ``raw`` is gzip, else as they are.

    Raises:
        zlib.error: damage, as far as it was read. The checksum is verified where the content ends before the limit.
    """
    if not raw.startswith(b"\x1f\x8b"):
        return raw[:limit]
    stream = zlib.decompressobj(wbits=31)
    content = stream.decompress(raw, limit)
    if len(content) < limit and not stream.eof:
        raise zlib.error("it ends too early")
    if len(content) < limit and stream.unused_data:
        raise zlib.error("bytes follow its end")
    return content


def _shape(path: Path, header: bytes, ndim: int) -> tuple[int, ...]:
    """The dimensions that a header promises, if it is one."""
    if not header:
        raise _wrong(path, "an IDX file", "an empty one")
    if header[:2] != b"\0\0":
        raise _wrong(path, f"an IDX file, which starts with 00 00 08 {ndim:02x}", header[:4].hex(" "))
    if len(header) > 2 and header[2] != 0x08:
        raise _wrong(path, "IDX type code 08 (uint8)", f"{header[2]:02x} ({TYPES.get(header[2], 'unknown')})")
    if len(header) > 3 and header[3] != ndim:
        raise _wrong(path, f"an IDX file of dimension {ndim}", f"one of dimension {header[3]}")
    if len(header) < 4 + 4 * ndim:
        raise _wrong(path, f"an IDX header of {4 + 4 * ndim} bytes", f"{len(header)} bytes")
    shape = tuple(int(size) for size in np.frombuffer(header, ">u4", ndim, offset=4))
    # A dimension of 0 counts as 1: NumPy refuses 0 x 2**32 x 2**32 as well.
    if math.prod(max(size, 1) for size in shape) > MAX_BYTES:
        raise _wrong(path, f"at most {MAX_BYTES} bytes of data", f"a header for {_times(shape)}")
    return shape


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _wrong(path: Path, expected: str, found: str) -> UserError:
    return UserError(f"{path}: expected {expected}, found {found}; delete it and fetch it again")

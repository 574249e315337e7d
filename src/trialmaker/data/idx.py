"""Reading of IDX, the format that MNIST is published in: a big-endian header, then the values in row-major order.

The header is 00 00, a type code (08: unsigned bytes), the number of dimensions, then each one as a 32-bit integer.
Format: http://yann.lecun.com/exdb/mnist/, "THE IDX FILE FORMAT".
"""

import math
import zlib
from pathlib import Path

import numpy as np

from trialmaker.data.files import MAX_BYTES, read_file
from trialmaker.errors import UserError

TYPE_NAMES = {0x08: "uint8", 0x09: "int8", 0x0B: "int16", 0x0C: "int32", 0x0D: "float32", 0x0E: "float64"}


def read_idx(path: Path, *, ndim: int) -> np.ndarray:
    """Read one IDX file of unsigned bytes, without trusting its header.

    Memory use is bounded by the file and its real content, whatever the header claims.

    Args:
        path: plain or gzipped; the content tells which, since browsers unpack files and keep the ``.gz``.
        ndim: expected number of dimensions: 3 for images, 1 for labels.

    Returns:
        uint8 array of ``ndim`` dimensions, C-contiguous, read-only (a view of the decoded file, not a copy).

    Raises:
        UserError: the file is missing, unreadable, not a regular file, truncated, too long, or of another format, type
            or number of dimensions.
    """
    raw = read_file(path)
    header_size = 4 + 4 * ndim
    try:
        shape = _parse_shape(path, unzip(raw, header_size), ndim)
        size = math.prod(shape)
        # One byte more than expected, so that trailing bytes show.
        content = unzip(raw, header_size + size + 1)
    except zlib.error as error:
        raise _format_error(path, "a whole gzip file", f"a damaged one ({error})") from None
    data_size = len(content) - header_size
    if data_size != size:
        expected = f"{_format_shape(shape)} bytes of data after the header"
        raise _format_error(path, expected, f"{data_size} bytes" if data_size < size else "more")
    return np.frombuffer(content, np.uint8, size, offset=header_size).reshape(shape)


def unzip(raw: bytes, limit: int) -> bytes:
    """Return the first ``limit`` bytes of the content: of ``raw``, unpacked if it is gzip.

    Raises:
        zlib.error: the gzip data is damaged, as far as it was read. The checksum is verified where the content ends
            before the limit.
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


def _parse_shape(path: Path, header: bytes, ndim: int) -> tuple[int, ...]:
    """Check a header, and return the dimensions that it claims."""
    if not header:
        raise _format_error(path, "an IDX file", "an empty one")
    if header[:2] != b"\0\0":
        raise _format_error(path, f"an IDX file, which starts with 00 00 08 {ndim:02x}", header[:4].hex(" "))
    if len(header) > 2 and header[2] != 0x08:
        type_name = TYPE_NAMES.get(header[2], "unknown")
        raise _format_error(path, "IDX type code 08 (uint8)", f"{header[2]:02x} ({type_name})")
    if len(header) > 3 and header[3] != ndim:
        raise _format_error(path, f"an IDX file of dimension {ndim}", f"one of dimension {header[3]}")
    if len(header) < 4 + 4 * ndim:
        raise _format_error(path, f"an IDX header of {4 + 4 * ndim} bytes", f"{len(header)} bytes")
    shape = tuple(int(size) for size in np.frombuffer(header, ">u4", ndim, offset=4))
    # A dimension of 0 counts as 1: NumPy refuses 0 x 2**32 x 2**32 as well.
    if math.prod(max(size, 1) for size in shape) > MAX_BYTES:
        raise _format_error(path, f"at most {MAX_BYTES} bytes of data", f"a header for {_format_shape(shape)}")
    return shape


def _format_shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _format_error(path: Path, expected: str, actual: str) -> UserError:
    return UserError(f"{path}: expected {expected}, found {actual}; delete it and fetch it again")

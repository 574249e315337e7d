"""Reading of IDX, the format that MNIST is published in: a big-endian header, then the values in row-major order.

The header is 00 00, a type code (08: unsigned bytes, 0c: int32), the number of dimensions, then each one as a 32-bit
integer. Format: http://yann.lecun.com/exdb/mnist/, "THE IDX FILE FORMAT".
"""

import math
import zlib
from typing import IO, Any

import numpy as np

from trialmaker.data.archives import InputFile, check_content, open_input
from trialmaker.data.files import MAX_BYTES
from trialmaker.errors import UserError

UINT8, INT32 = 0x08, 0x0C
TYPE_NAMES = {UINT8: "uint8", 0x09: "int8", 0x0B: "int16", INT32: "int32", 0x0D: "float32", 0x0E: "float64"}
DTYPES: dict[int, np.dtype[Any]] = {UINT8: np.dtype("u1"), INT32: np.dtype(">i4")}
READ_BYTES = 1 << 20  # at once
GZIP_MARK = b"\x1f\x8b"


def read_idx(file: InputFile, *, ndim: int, type_code: int = UINT8) -> np.ndarray:
    """Read one IDX file, without trusting its header.

    Memory use is bounded by the file and its real content, whatever the header claims.

    Args:
        file: plain or gzipped; the content tells which, since browsers unpack files and keep the ``.gz``.
        ndim: expected number of dimensions: 3 for images, 1 for labels, 2 for QMNIST's labels.
        type_code: expected type of the values: ``UINT8`` or ``INT32``.

    Returns:
        array of ``ndim`` dimensions, C-contiguous: uint8, or int32.

    Raises:
        UserError: the file is missing, unreadable, not a regular file, truncated, too long, or of another format, type
            or number of dimensions.
    """
    dtype, header_size = DTYPES[type_code], 4 + 4 * ndim
    try:
        shape = _parse_shape(file, _first_bytes(file, header_size), ndim, type_code)
        size = math.prod(shape) * dtype.itemsize
        check_content(file, size, is_packed=_is_gzip(file))
        # One byte more than expected, so that trailing bytes show.
        content = _first_bytes(file, header_size + size + 1)
    except zlib.error as error:
        raise _format_error(file, "a whole gzip file", f"a damaged one ({error})") from None
    data_size = len(content) - header_size
    if data_size != size:
        expected = f"{_format_shape(shape, dtype)} bytes of data after the header"
        raise _format_error(file, expected, f"{data_size} bytes" if data_size < size else "more")
    values = np.frombuffer(content, dtype, math.prod(shape), offset=header_size).reshape(shape)
    return values if type_code == UINT8 else values.astype(np.int32)


def unzip(stream: IO[bytes], limit: int) -> bytearray:
    """Return the first ``limit`` bytes of a stream's content, unpacked if it is gzip.

    Raises:
        zlib.error: the gzip data is damaged, as far as it was read. The checksum is verified where the content ends
            before the limit.
    """
    content = bytearray()
    chunk = stream.read(READ_BYTES)
    if not chunk.startswith(GZIP_MARK):
        while chunk and len(content) < limit:
            content += chunk[: limit - len(content)]
            chunk = stream.read(READ_BYTES)
        return content
    unpacker = zlib.decompressobj(wbits=31)
    while chunk and len(content) < limit and not unpacker.eof:
        content += unpacker.decompress(chunk, limit - len(content))
        chunk = unpacker.unconsumed_tail or stream.read(READ_BYTES)
    if len(content) < limit and not unpacker.eof:
        raise zlib.error("it ends too early")
    if len(content) < limit and (unpacker.unused_data or chunk):
        raise zlib.error("bytes follow its end")
    return content


def _is_gzip(file: InputFile) -> bool:
    with open_input(file) as stream:
        return stream.read(len(GZIP_MARK)) == GZIP_MARK


def _first_bytes(file: InputFile, limit: int) -> bytearray:
    with open_input(file) as stream:
        return unzip(stream, limit)


def _parse_shape(file: InputFile, header: bytearray, ndim: int, type_code: int) -> tuple[int, ...]:
    """Check a header, and return the dimensions that it claims."""
    if not header:
        raise _format_error(file, "an IDX file", "an empty one")
    if header[:2] != b"\0\0":
        start = f"00 00 {type_code:02x} {ndim:02x}"
        raise _format_error(file, f"an IDX file, which starts with {start}", header[:4].hex(" "))
    if len(header) > 2 and header[2] != type_code:
        actual = f"{header[2]:02x} ({TYPE_NAMES.get(header[2], 'unknown')})"
        raise _format_error(file, f"IDX type code {type_code:02x} ({TYPE_NAMES[type_code]})", actual)
    if len(header) > 3 and header[3] != ndim:
        raise _format_error(file, f"an IDX file of dimension {ndim}", f"one of dimension {header[3]}")
    if len(header) < 4 + 4 * ndim:
        raise _format_error(file, f"an IDX header of {4 + 4 * ndim} bytes", f"{len(header)} bytes")
    shape = tuple(int(size) for size in np.frombuffer(header, ">u4", ndim, offset=4))
    # A dimension of 0 counts as 1: NumPy refuses 0 x 2**32 x 2**32 as well.
    if math.prod(max(size, 1) for size in shape) * DTYPES[type_code].itemsize > MAX_BYTES:
        raise _format_error(file, f"at most {MAX_BYTES} bytes of data", f"a header for {_format_shape(shape)}")
    return shape


def _format_shape(shape: tuple[int, ...], dtype: np.dtype[Any] | None = None) -> str:
    sizes = [*shape, dtype.itemsize] if dtype is not None and dtype.itemsize > 1 else shape
    return " x ".join(map(str, sizes))


def _format_error(file: InputFile, expected: str, actual: str) -> UserError:
    return UserError(f"{file}: expected {expected}, found {actual}; fetch it again, or name another data.directory")

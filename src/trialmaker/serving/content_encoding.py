"""Bodies that come as gzip, unpacked piece by piece, so that a bomb stops at the limit."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

from starlette.requests import Request

from trialmaker.serving.errors import HTTPError

UNPACKED_CHUNK_BYTES = 65_536  # that are unpacked before the event loop goes on to others
PACKED_CHUNK_BYTES = 16_384  # that are unpacked so, whatever they hold
GZIP_WINDOW_BITS = 31  # zlib's: with gzip's header
GZIP_NAMES = ("gzip", "x-gzip")
PLAIN_PART_ENCODINGS = ("", "binary", "8bit", "7bit", "identity")


def plain_body(request: Request, max_bytes: int) -> AsyncIterator[bytes]:
    """Return the pieces of a request's body, unpacked where it is gzip.

    Args:
        request: the request.
        max_bytes: the largest body, packed and unpacked.

    Raises:
        HTTPError: while iterating: 400, no valid gzip, or one of blocks that hold nothing; 413, too large. At once:
            415, another encoding.
    """
    values = ",".join(request.headers.getlist("content-encoding")).split(",")
    encodings = [name for value in values if (name := value.strip().lower()) not in ("", "identity")]
    if not encodings:
        return request.stream()
    if len(encodings) > 1 or encodings[0] not in GZIP_NAMES:
        message = f"Content-Encoding: must be gzip, once, or none, but is {', '.join(encodings)}"
        raise HTTPError(415, message, Accept_Encoding="gzip, identity")
    return _unpacked(request.stream(), max_bytes)


def check_part_encoding(header: str, value: str) -> None:
    """Check a header of a part of a form, if it names an encoding; a form's parts are sent as they are.

    Raises:
        HTTPError: 415, it names one that would change the bytes.
    """
    is_encoding = header in ("content-transfer-encoding", "content-encoding")
    if is_encoding and value.strip().lower() not in PLAIN_PART_ENCODINGS:
        raise HTTPError(415, f"{header} of a part: send the file's bytes as they are, not as {value.strip()}")


async def _unpacked(chunks: AsyncIterator[bytes], max_bytes: int) -> AsyncIterator[bytes]:
    """Yield the content of gzip; what follows the limit comes as it is, since who reads this counts bytes."""
    unpacker = zlib.decompressobj(GZIP_WINDOW_BITS)
    packed_size = size = 0
    async for chunk in _portions(chunks):
        packed_size += len(chunk)
        if packed_size > max_bytes or size > max_bytes:
            yield chunk
            continue
        if packed_size > 2 * size + UNPACKED_CHUNK_BYTES:
            raise HTTPError(400, "the body is gzip of blocks that hold nothing; pack it anew, or send it as it is")
        for piece in _pieces(unpacker, chunk):
            size += len(piece)
            yield piece
            if size > max_bytes:
                break
            await asyncio.sleep(0)
    if size > max_bytes:
        return
    if packed_size > max_bytes:
        raise HTTPError(
            413, f"the body must have at most {max_bytes:,} bytes, as gzip too; --max-body raises the limit"
        )
    if not unpacker.eof:
        raise HTTPError(400, "the body is no whole gzip: its end is missing")


async def _portions(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield chunks in portions, between which the event loop goes on to others."""
    async for chunk in chunks:
        for start in range(0, len(chunk), PACKED_CHUNK_BYTES):
            yield chunk[start : start + PACKED_CHUNK_BYTES]
            await asyncio.sleep(0)


def _pieces(unpacker: Any, packed: bytes) -> Iterator[bytes]:
    """Yield what some bytes of gzip hold, ``UNPACKED_CHUNK_BYTES`` at a time; several gzips in one body are none."""
    piece = b""
    while packed or len(piece) == UNPACKED_CHUNK_BYTES:  # else more may wait within the unpacker
        if unpacker.eof:
            raise HTTPError(400, "the body must be one gzip, but goes on behind its end")
        try:
            piece = unpacker.decompress(packed, UNPACKED_CHUNK_BYTES)
        except zlib.error as error:
            raise HTTPError(400, f"the body is no valid gzip: {error}") from None
        packed = unpacker.unconsumed_tail or unpacker.unused_data
        if piece:
            yield piece

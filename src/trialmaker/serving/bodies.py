"""Reading what a caller sends: within limits of size and time."""

import asyncio
from collections.abc import AsyncGenerator

from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from trialmaker.serving.refusals import Refused

DISCARDED = 64_000_000  # bytes of a body that is too long, read so that its sender hears why; then the line is cut
MOST_HELD = 512_000_000
JSON = ("application/json", "text/json", "text/plain", "")  # clients that send JSON as text, or say nothing


class Reader:
    """Reads bodies, of all requests together at most ``MOST_HELD`` bytes at a time.

    Args:
        most: bytes of one.
        seconds: for one to come.
    """

    def __init__(self, *, most: int, seconds: float) -> None:
        self.most, self.seconds = most, seconds
        self.held = 0

    async def __call__(self, request: Request) -> bytes:
        """The whole body.

        Raises:
            Refused: 413 too long, 408 too slow, 503 too many at once.
        """
        parts: list[bytes] = []
        try:
            async with asyncio.timeout(self.seconds):
                return await self._read(request, parts)
        except TimeoutError:
            raise Refused(408, f"the body must come within {self.seconds:g} seconds", Connection="close") from None
        except ClientDisconnect:
            raise Refused(400, "the connection ended within the body") from None
        finally:
            self.held -= sum(map(len, parts))

    async def _read(self, request: Request, parts: list[bytes]) -> bytes:
        size = 0
        async for part in request.stream():
            size += len(part)
            if size <= self.most:
                parts.append(part)
                self.held += len(part)
            elif size > DISCARDED:
                break
            if self.held > MOST_HELD:
                raise Refused(503, "too many bodies at once; try again", Retry_After="1", Connection="close")
        if size > self.most:
            raise Refused(413, f"the body must have at most {self.most:,} bytes", Connection="close")
        return b"".join(parts)


def kind(request: Request) -> str:
    """``json`` or ``multipart``.

    Raises:
        Refused: 415.
    """
    said = request.headers.get("content-type", "")
    media = said.partition(";")[0].strip().lower()
    if media == "multipart/form-data":
        return "multipart"
    if media in JSON or media.endswith("+json"):
        return "json"
    raise Refused(415, f"Content-Type: must be application/json or multipart/form-data, but is {media}")


async def part(request: Request, body: bytes, name: str) -> bytes:
    """The content of a part of ``multipart/form-data``.

    Raises:
        Refused: the body is none, or has no such part, or several.
    """

    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    parser = MultiPartParser(request.headers, stream(), max_files=8, max_fields=8, max_part_size=len(body) + 1)
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError, UnicodeError) as error:
        raise Refused(400, f"the body is no valid multipart/form-data: {error}") from None
    try:
        found = form.getlist(name)
        if len(found) != 1:
            law = f"expected one field {name} with a PNG or JPEG file"
            raise Refused(400, f"{law}, found {len(found)}; the fields are: {', '.join(form) or 'none'}")
        return found[0].encode() if isinstance(found[0], str) else await found[0].read()
    finally:
        await form.close()

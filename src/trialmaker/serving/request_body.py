"""Reading what a caller sends: within limits of size and time."""

import asyncio
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from trialmaker.serving.errors import HTTPError

DISCARDED_BYTES = (
    64_000_000  # bytes of a body that is too long, read so that its sender hears why; then the line is cut
)
HELD_BYTES = 512_000_000
JSON_TYPES = ("application/json", "text/json", "text/plain", "")  # clients that send JSON as text, or say nothing


class BodyReader:
    """Reads bodies, of all requests together at most ``HELD_BYTES`` bytes at a time.

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
            raise HTTPError(408, f"the body must come within {self.seconds:g} seconds") from None
        except ClientDisconnect:
            raise HTTPError(400, "the connection ended within the body") from None
        finally:
            self.held -= sum(map(len, parts))

    async def _read(self, request: Request, parts: list[bytes]) -> bytes:
        size = 0
        async for part in request.stream():
            size += len(part)
            if size <= self.most:
                parts.append(part)
                self.held += len(part)
            elif size > DISCARDED_BYTES:
                break
            if self.held > HELD_BYTES:
                raise HTTPError(503, "too many bodies at once; try again", Retry_After="1")
        if size > self.most:
            raise HTTPError(413, f"the body must have at most {self.most:,} bytes")
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
    if media in JSON_TYPES or media.endswith("+json"):
        return "json"
    raise HTTPError(415, f"Content-Type: must be application/json or multipart/form-data, but is {media}")


def part(content_type: str, body: bytes, name: str) -> bytes:
    """The content of the one part of ``multipart/form-data`` that has this name, with or without a file's name.

    Raises:
        Refused: the body is none, or has no such part, or several.
    """
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise HTTPError(400, "Content-Type: multipart/form-data needs a boundary")
    parts = _Parts()
    try:
        parser = MultipartParser(boundary, parts.callbacks())
        parser.write(body)
        parser.finalize()
    except (FormParserError, ValueError) as error:
        raise HTTPError(400, f"the body is no valid multipart/form-data: {error}") from None
    found = [content for own, content in parts.found if own == name]
    if len(found) != 1:
        names = ", ".join(own for own, _ in parts.found) or "none"
        raise HTTPError(
            400, f"expected one field {name} with a PNG or JPEG file, found {len(found)}; the fields are: {names}"
        )
    return bytes(found[0])


class _Parts:
    """What the parser finds: names and contents."""

    def __init__(self) -> None:
        self.found: list[tuple[str, bytearray]] = []
        self.field, self.value = bytearray(), bytearray()

    def callbacks(self) -> Any:
        return {
            "on_part_begin": lambda: self.found.append(("", bytearray())),
            "on_header_field": lambda data, start, end: self.field.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self.value.extend(data[start:end]),
            "on_header_end": self._header,
            "on_part_data": lambda data, start, end: self.found[-1][1].extend(data[start:end]),
        }

    def _header(self) -> None:
        if self.field.lower() == b"content-disposition":
            name = parse_options_header(bytes(self.value))[1].get(b"name", b"")
            self.found[-1] = (name.decode("utf-8", "replace"), self.found[-1][1])
        self.field.clear()
        self.value.clear()

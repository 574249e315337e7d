"""Reading and parsing of request bodies, within limits of size and time."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from trialmaker.serving import content_encoding, memory_budget, request_head
from trialmaker.serving.errors import HTTPError

DISCARDED_BYTES = 64_000_000  # of a body that is refused: read so that its sender hears why, then the line is cut
SMALL_BYTES = 32_000  # of a body that is read and decoded at once
WHOLE_BODY = "whole_body"  # in the scope's state: the bytes of a body that had come when its request began
BYTES_A_CHUNK = 64  # of memory, beside its content
MAX_PARTS = 100  # of a form, which has one picture
MAX_PADDING = 100  # blanks after a boundary, which the parser takes one by one
CUT_OFF = "the connection ended within the body"
JSON_TYPES = ("application/json", "text/json", "text/plain", "")  # clients that send JSON as text, or name no type


class BodyReader:
    """A reader of bodies, which count among what their requests hold in memory.

    Large ones are read a chunk at a time, in turn, each in a turn of the event loop, so that others come in between.

    Args:
        max_bytes: the largest body.
        seconds: the longest time from the head of a request to the end of its body.
    """

    def __init__(self, *, max_bytes: int, seconds: float) -> None:
        self.max_bytes, self.seconds = max_bytes, seconds
        self.turn = asyncio.Lock()

    async def __call__(self, request: Request) -> bytes:
        """Return the whole body of a request.

        Raises:
            HTTPError: 413 too long, 408 too slow, 503 too many at once, 400 cut off by its sender.
        """
        if self._is_ready(request):  # nothing to wait for, and so nothing to time
            message = await request.receive()
            if message["type"] == "http.disconnect":
                raise HTTPError(400, CUT_OFF)
            body: bytes = message["body"]
            memory_budget.holding(request).add(len(body) + BYTES_A_CHUNK)
            return body
        try:
            async with asyncio.timeout(self.seconds):
                return await self._read(request)
        except TimeoutError:
            raise HTTPError(408, f"the body must come within {self.seconds:g} seconds") from None
        except ClientDisconnect:
            raise HTTPError(400, CUT_OFF) from None

    def _is_ready(self, request: Request) -> bool:
        """Return whether a small body has come as a whole, and as it is."""
        size: int = request.scope.get("state", {}).get(WHOLE_BODY, SMALL_BYTES + 1)
        is_small = size <= min(SMALL_BYTES, self.max_bytes)
        return is_small and request_head.value(request.scope, b"content-encoding") is None

    async def _read(self, request: Request) -> bytes:
        memory = memory_budget.holding(request)
        chunks: list[bytes] = []
        refusal: HTTPError | None = None
        size = 0
        async for chunk in content_encoding.plain_body(request, self.max_bytes):
            size += len(chunk)
            if size > SMALL_BYTES:
                async with self.turn:
                    await asyncio.sleep(0)
            if size > self.max_bytes:
                law = f"the body must have at most {self.max_bytes:,} bytes"
                refusal = HTTPError(413, f"{law}; send less at once, or a smaller picture; --max-body raises the limit")
            if size > DISCARDED_BYTES:
                break
            try:
                memory.add(0 if refusal else len(chunk) + BYTES_A_CHUNK)
                chunks.append(chunk)
            except HTTPError as error:
                refusal = error
            if refusal:  # the rest is read so that its sender hears why
                chunks.clear()
                memory.release()
        if refusal:
            raise refusal
        return b"".join(chunks)


def body_format(request: Request) -> str:
    """Return the form of a request's body by its content type: ``json`` or ``multipart``.

    Raises:
        HTTPError: 415, it is neither.
    """
    content_type = request_head.value(request.scope, b"content-type") or b""
    if content_type == b"application/json":
        return "json"
    media_type = content_type.decode("latin-1").partition(";")[0].strip().lower()
    if media_type == "multipart/form-data":
        return "multipart"
    if media_type in JSON_TYPES or media_type.endswith("+json"):
        return "json"
    raise HTTPError(415, f"Content-Type: must be application/json or multipart/form-data, but is {media_type}")


def multipart_file(content_type: str, body: bytes, name: str) -> bytes:
    """Return the content of the one file in ``multipart/form-data``, whatever its field is called.

    Args:
        content_type: the request's.
        body: its body.
        name: of the field whose content is taken for a file too, where it names none.

    Raises:
        HTTPError: 400, the body is not of this form, has no file, or several; 415, the file is encoded.
    """
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise HTTPError(400, "Content-Type: multipart/form-data needs a boundary")
    _check_parts(body, boundary)
    collector = _PartCollector()
    try:
        parser = MultipartParser(boundary, collector.callbacks())
        parser.write(body)
        parser.finalize()
    except (FormParserError, ValueError) as error:
        raise HTTPError(400, f"the body is no valid multipart/form-data: {error}") from None
    files = [part for part in collector.parts if part.is_file or part.name == name]
    if len(files) != 1:
        names = ", ".join(part.name for part in files or collector.parts) or "none"
        law = f"expected one field {name} with a PNG or JPEG file, or one file in another field"
        raise HTTPError(400, f"{law}; found {len(files)}; the fields are: {names}")
    return bytes(files[0].content)


@dataclass
class _Part:
    """A part of a form."""

    name: str = ""
    file_name: str | None = None
    content: bytearray = field(default_factory=bytearray)

    @property
    def is_file(self) -> bool:
        """Return whether the part holds a file; a browser sends an empty one where none was chosen."""
        return bool(self.file_name or (self.file_name is not None and self.content))


def _check_parts(body: bytes, boundary: bytes) -> None:
    """Check that a form has few parts, for each of which the parser takes long: it is plain Python.

    Raises:
        HTTPError: 400, it has many.
    """
    delimiter = b"--" + boundary
    place = -1
    for _ in range(MAX_PARTS + 2):  # with one at the end
        place = body.find(delimiter, place + 1)
        if place < 0:
            return
        padding = body[place + len(delimiter) : place + len(delimiter) + MAX_PADDING]
        if len(padding) == MAX_PADDING and not padding.strip(b" \t"):
            raise HTTPError(400, f"the body must have fewer than {MAX_PADDING} blanks after a boundary")
    raise HTTPError(400, f"the body must have at most {MAX_PARTS} parts, but has more")


# Starlette's ``Request.form`` (seen with 1.10.0) is no substitute: it parses on the event loop, writes large files to
# disk, decodes a part that names no file to text by whatever charset the request claims, and loses a part whose
# closing delimiter is missing.
class _PartCollector:
    """The names and contents of the parts that the parser meets."""

    def __init__(self) -> None:
        self.parts: list[_Part] = []
        self.header_name, self.header_value = bytearray(), bytearray()

    def callbacks(self) -> Any:
        return {
            "on_part_begin": lambda: self.parts.append(_Part()),
            "on_header_field": lambda data, start, end: self.header_name.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self.header_value.extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_part_data": lambda data, start, end: self.parts[-1].content.extend(data[start:end]),
        }

    def _end_header(self) -> None:
        header, value = bytes(self.header_name).decode("latin-1").lower(), bytes(self.header_value)
        content_encoding.check_part_encoding(header, value.decode("latin-1"))
        if header == "content-disposition":
            options = parse_options_header(value)[1]
            file_name = options.get(b"filename", b"file" if b"filename*=" in value else None)
            self.parts[-1].name = options.get(b"name", b"").decode("utf-8", "replace")
            self.parts[-1].file_name = None if file_name is None else file_name.decode("utf-8", "replace")
        self.header_name.clear()
        self.header_value.clear()

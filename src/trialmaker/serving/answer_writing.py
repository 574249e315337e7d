"""Answers that are written at once: head and body in one piece."""

from functools import lru_cache
from typing import Any

from uvicorn.protocols.http.httptools_impl import HEADER_RE, HEADER_VALUE_RE, STATUS_LINE, RequestResponseCycle

MEMORABLE_LINES = 512  # of heads, most of which are those of the answers before
MEMORABLE_LINE_BYTES = 256  # of each, so that callers whose texts come back in a head fill no memory


class WholeAnswerCycle(RequestResponseCycle):
    """Uvicorn's request and answer, whose common answers go out as one piece.

    Uvicorn's own ``send`` checks each header of each answer, and writes head and body one after the other, which takes
    as long as decoding an image. The attributes used are those of uvicorn 0.54.0, which makes its own class: set an
    object's ``__class__``. What is not the common case goes the way of the base class.
    """

    start: Any = None  # the message with the head, until the body comes

    async def send(self, message: Any) -> None:
        """Send an ASGI message: keep the head until there is a body, and write both."""
        if message["type"] == "http.response.start" and not self.response_started:
            self.start = message
            return
        start, self.start = self.start, None
        if start and self._is_whole(start, message):
            self._write(start, message.get("body", b""))
            return
        if start:
            await super().send(start)
        await super().send(message)

    def _is_whole(self, start: Any, message: Any) -> bool:
        """Return whether an answer is all here, on a connection that stays open and takes it."""
        is_open = self.keep_alive and not self.disconnected and not self.flow.write_paused
        if not is_open or message.get("more_body") or self.scope["method"] == "HEAD":
            return False
        headers = dict(start["headers"])
        return b"connection" not in headers and headers.get(b"content-length") == b"%d" % len(message.get("body", b""))

    def _write(self, start: Any, body: bytes) -> None:
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        lines = [_line(name, value) for name, value in (*self.default_headers, *start["headers"])]
        self.transport.write(b"".join([STATUS_LINE[start["status"]], *lines, b"\r\n", body]))
        self.message_event.set()
        self.on_response()


def _line(name: bytes, value: bytes) -> bytes:
    """Return the line of a header, a short one from memory; raise as ``_checked_line``."""
    if len(name) + len(value) > MEMORABLE_LINE_BYTES:
        return _checked_line(name, value)
    return _memorable_line(name, value)


def _checked_line(name: bytes, value: bytes) -> bytes:
    """Return the line of a header.

    Raises:
        RuntimeError: it is not valid.
    """
    if HEADER_RE.search(name) or HEADER_VALUE_RE.search(value):
        raise RuntimeError(f"the answer's header {name!r}: {value!r} is not valid")
    return name.lower() + b": " + value + b"\r\n"


_memorable_line = lru_cache(MEMORABLE_LINES)(_checked_line)

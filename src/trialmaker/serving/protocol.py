"""A uvicorn protocol that closes the connections of silent, endless, hasty and non-reading callers."""

import asyncio
import re
from collections import deque
from http import HTTPStatus
from typing import Any, ClassVar

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from trialmaker.serving.answer_writing import WholeAnswerCycle
from trialmaker.serving.request_body import WHOLE_BODY
from trialmaker.serving.request_head import AUTHORITY

IDLE_SECONDS = 20.0  # for a connection to bring the head of a request, or to take an answer
MAX_HEAD_BYTES = 32_768
MAX_HEADERS = 100
MAX_PIPELINED = 32  # requests that wait for the answers to those before them on a connection
SPARE_CONNECTIONS = 1000  # that may be open beside those for which the setting of the queue says room is needed
PIECE_BYTES = 16_384  # of what was received, between two looks at the limits
FEW_CHUNKS, SMALL_CHUNK_BYTES = 4096, 32  # of a body: each chunk costs as much as its first hundreds of bytes
ABSOLUTE_TARGET = re.compile(rb"[a-z][a-z0-9+.-]*://([^/?#]*)", re.IGNORECASE)


class _Flow(FlowControl):
    """Uvicorn's flow of a connection, which stays paused while requests wait in its pipeline.

    In uvicorn 0.54.0 each answer resumes it, so that each answer reads more requests than it takes away.
    """

    def __init__(self, transport: asyncio.Transport, pipeline: deque[Any]) -> None:
        super().__init__(transport)
        self.pipeline = pipeline

    def resume_reading(self) -> None:
        """Resume once no request waits."""
        if not self.pipeline:
            super().resume_reading()


class _Refusal(Exception):
    """Ends the parsing of a request that exceeds a limit; its text is the answer."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


class Protocol(HttpToolsProtocol):
    """Uvicorn's protocol, with limits for callers that send nothing or too much, or do not read the answer.

    Needed for uvicorn 0.54.0: its ``timeout_keep_alive`` starts only after an answer and is stopped by any byte, and it
    limits neither the length of a head, nor the requests and connections that wait, nor the time for reading. It
    documents none of the methods and attributes used.
    """

    idle: ClassVar[dict["Protocol", None]] = {}  # connections without a request, the longest idle first
    idle_timer: asyncio.TimerHandle | None = None
    write_timer: asyncio.TimerHandle | None = None
    head_bytes = 0  # of a head that has not ended
    is_in_body = False
    has_request_ended = False  # within what was just received
    chunks = body_bytes = wire_bytes = trailers = 0  # of a body
    refusal: _Refusal | None = None
    answered: RequestResponseCycle | None = None  # the request whose turn it is

    def connection_made(self, transport: Any) -> None:
        """Start the time within which the head of a request must come; make room for the connection."""
        super().connection_made(transport)
        self.flow = _Flow(transport, self.pipeline)
        self._start_idle_timer()
        self.idle[self] = None
        if len(self.connections) > self.config.backlog + SPARE_CONNECTIONS:
            longest_idle = next(iter(self.idle))
            del self.idle[longest_idle]
            longest_idle.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Parse what was received, until it exceeds a limit."""
        for start in range(0, len(data), PIECE_BYTES):
            if self.transport.is_closing():
                return
            self._parse(data[start : start + PIECE_BYTES])

    def _parse(self, piece: bytes) -> None:
        self.has_request_ended = False
        super().data_received(piece)
        if self.transport.is_closing():
            return
        if self.is_in_body:
            self.wire_bytes += len(piece)
            if self.wire_bytes > 2 * self.body_bytes + MAX_HEAD_BYTES:
                self._refuse(_Refusal(HTTPStatus.BAD_REQUEST, "the body must be more than what stands between chunks"))
            return
        self.head_bytes = 0 if self.has_request_ended else self.head_bytes + len(piece)
        if self.head_bytes > MAX_HEAD_BYTES:
            law = f"the head must have at most {MAX_HEAD_BYTES:,} bytes"
            self._refuse(_Refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, law))
        elif not self.idle_timer and not self._is_answering():
            self._start_idle_timer()  # uvicorn takes any byte for the next request

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header; drop a trailer, which comes after the body, when the head has been checked."""
        if self.is_in_body:
            self.trailers += 1
        else:
            super().on_header(name, value)
        if len(self.headers) + self.trailers > MAX_HEADERS:
            law = f"a request must have at most {MAX_HEADERS} headers"
            self._stop_parsing(_Refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, law))

    def on_headers_complete(self) -> None:
        """Stop the time for the head; split a target such as ``http://host/path``, which proxies send."""
        self._stop_idle_timer()
        self.idle.pop(self, None)
        if target := ABSOLUTE_TARGET.match(self.url):
            rest = self.url[target.end() :]
            self.scope["state"][AUTHORITY] = target[1]
            self.url = rest if rest.startswith(b"/") else b"/" + rest
        super().on_headers_complete()
        self.is_in_body = True
        self.chunks = self.body_bytes = self.wire_bytes = self.trailers = 0
        if len(self.pipeline) > MAX_PIPELINED:
            law = f"at most {MAX_PIPELINED} requests may wait on a connection"
            self._stop_parsing(_Refusal(HTTPStatus.TOO_MANY_REQUESTS, law))

    def on_chunk_header(self) -> None:
        """Count a chunk of a body."""
        self.chunks += 1
        if self.chunks > FEW_CHUNKS and self.body_bytes < self.chunks * SMALL_CHUNK_BYTES:
            law = f"of more than {FEW_CHUNKS:,} chunks the mean must have at least {SMALL_CHUNK_BYTES} bytes"
            self._stop_parsing(_Refusal(HTTPStatus.BAD_REQUEST, law))

    def on_body(self, body: bytes) -> None:
        """Count a part of a body."""
        self.body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note the end of a request."""
        self.is_in_body = False
        self.has_request_ended = True
        self.scope["state"][WHOLE_BODY] = self.body_bytes  # which a request that began in an earlier turn overlooks
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Note that the connection is idle, unless a request waits on it."""
        super().on_response_complete()
        if not self._is_answering() and not self.transport.is_closing():
            self.idle[self] = None

    def send_400_response(self, msg: str) -> None:
        """Answer a request that is not valid, or exceeds a limit, and end the connection."""
        self._refuse(self.refusal or _Refusal(HTTPStatus.BAD_REQUEST, msg))

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self.answered = cycle
        cycle.__class__ = WholeAnswerCycle
        super()._start_asgi_task(cycle, app)

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _stop_parsing(self, refusal: _Refusal) -> None:
        """End the parsing from within one of its callbacks; uvicorn then calls ``send_400_response``."""
        self.refusal = refusal
        raise refusal

    def _refuse(self, refusal: _Refusal) -> None:
        """Send an answer and end the connection; only end it where the answer would seem to be another request's."""
        if self.pipeline or (self._is_answering() and not self.is_in_body):
            self.transport.abort()
            return
        text = str(refusal).encode()
        head = f"HTTP/1.1 {refusal.status.value} {refusal.status.phrase}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        end = f"Content-Length: {len(text)}\r\nConnection: close\r\n\r\n"
        self.transport.write((head + end).encode() + text)
        self.transport.close()

    def pause_writing(self) -> None:
        """Start the time within which the caller must read."""
        super().pause_writing()
        self.write_timer = self.loop.call_later(IDLE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop the time for reading."""
        super().resume_writing()
        self._stop_write_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop both timers, and tell the request that is answered; uvicorn tells only the one that came last."""
        self.idle.pop(self, None)
        self.pipeline.clear()
        if self.answered and not self.answered.response_complete:
            self.answered.disconnected = True
            self.answered.message_event.set()
        self._stop_idle_timer()
        self._stop_write_timer()
        super().connection_lost(exc)

    def _start_idle_timer(self) -> None:
        self._stop_idle_timer()
        self.idle_timer = self.loop.call_later(IDLE_SECONDS, self.transport.abort)

    def _stop_idle_timer(self) -> None:
        if self.idle_timer:
            self.idle_timer.cancel()
            self.idle_timer = None

    def _stop_write_timer(self) -> None:
        if self.write_timer:
            self.write_timer.cancel()

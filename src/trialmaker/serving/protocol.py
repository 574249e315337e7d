"""A uvicorn protocol that closes the connections of silent, endless and non-reading callers."""

import asyncio
import re
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from trialmaker.serving.request_head import AUTHORITY

IDLE_SECONDS = 20.0  # for a connection to bring the head of a request, or to take an answer
MAX_HEAD_BYTES = 65_536
ABSOLUTE_TARGET = re.compile(rb"[a-z][a-z0-9+.-]*://([^/?#]*)", re.IGNORECASE)


class Protocol(HttpToolsProtocol):
    """Uvicorn's protocol, with limits for callers that send nothing, never end a head, or do not read the answer.

    Needed for uvicorn 0.54.0: its ``timeout_keep_alive`` starts only after an answer and is stopped by any byte, and it
    limits neither the length of a head nor the time for reading. It documents none of the methods and attributes used.
    """

    idle_timer: asyncio.TimerHandle | None = None
    write_timer: asyncio.TimerHandle | None = None
    head_bytes = 0  # of a head that has not ended
    is_in_body = False
    has_request_ended = False  # within what was just received

    def connection_made(self, transport: Any) -> None:
        """Start the time within which the head of a request must come."""
        super().connection_made(transport)
        self._start_idle_timer()

    def data_received(self, data: bytes) -> None:
        """Parse what was received; close the connection when a head is too long."""
        self.has_request_ended = False
        super().data_received(data)
        if self.is_in_body:
            return
        self.head_bytes = 0 if self.has_request_ended else self.head_bytes + len(data)
        if self.head_bytes > MAX_HEAD_BYTES:
            self.transport.abort()
        elif not self.idle_timer and (self.cycle is None or self.cycle.response_complete):
            self._start_idle_timer()  # uvicorn takes any byte for the next request

    def on_headers_complete(self) -> None:
        """Stop the time for the head; split a target such as ``http://host/path``, which proxies send."""
        self.is_in_body = True
        self._stop_idle_timer()
        if target := ABSOLUTE_TARGET.match(self.url):
            rest = self.url[target.end() :]
            self.scope["state"][AUTHORITY] = target[1]
            self.url = rest if rest.startswith(b"/") else b"/" + rest
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Note the end of a request."""
        self.is_in_body = False
        self.has_request_ended = True
        super().on_message_complete()

    def pause_writing(self) -> None:
        """Start the time within which the caller must read."""
        super().pause_writing()
        self.write_timer = self.loop.call_later(IDLE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop the time for reading."""
        super().resume_writing()
        self._stop_write_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop both timers."""
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

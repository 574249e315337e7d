"""HTTP connections that are silent, endless or unread, and their end."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

SILENT_SECONDS = 20.0  # for a connection to bring the head of a request
MAX_HEAD_BYTES = 65_536  # bytes


class Protocol(HttpToolsProtocol):
    """Uvicorn's, for callers that say nothing, never come to the end of a request's head, or do not read."""

    silence: asyncio.TimerHandle | None = None
    stalled: asyncio.TimerHandle | None = None
    head = 0  # bytes of a head that has not come to its end
    is_in_body = False
    has_ended = False  # a request, within what was just received

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        self.has_ended = False
        super().data_received(data)
        if self.is_in_body:
            return
        self.head = 0 if self.has_ended else self.head + len(data)
        if self.head > MAX_HEAD_BYTES:
            self.transport.abort()
        elif not self.silence and (self.cycle is None or self.cycle.response_complete):
            self._wait()  # uvicorn takes any byte for the next request

    def on_headers_complete(self) -> None:
        self.is_in_body = True
        self._cancel()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self.is_in_body = False
        self.has_ended = True
        super().on_message_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.stalled = self.loop.call_later(SILENT_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.stalled:
            self.stalled.cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel()
        if self.stalled:
            self.stalled.cancel()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._cancel()
        self.silence = self.loop.call_later(SILENT_SECONDS, self.transport.abort)

    def _cancel(self) -> None:
        if self.silence:
            self.silence.cancel()
            self.silence = None

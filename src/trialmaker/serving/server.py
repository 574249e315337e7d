"""The process that listens: from its settings to its exit code."""

import asyncio
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from trialmaker.errors import UserError
from trialmaker.serving import model, versions
from trialmaker.serving.application import Application
from trialmaker.serving.gate import Gate
from trialmaker.serving.settings import Settings
from trialmaker.serving.versions import Version

DRAIN_SECONDS = 2.0  # for connections to bring their next request, which is their last
FINISH_SECONDS = 6  # for requests that run
LAST_SECONDS = 9.5
SILENT_SECONDS = 20.0  # for a connection to bring the head of a request
MOST_HEAD = 65_536  # bytes


def run(settings: Settings, listening: socket.socket, *, greets: bool, complain: Callable[[str], None]) -> int:
    """Serve until SIGTERM or Ctrl-C.

    Args:
        greets: say when the model is ready, and where.
        complain: told why the model cannot be loaded.

    Returns:
        the exit code: 0; 2 when the model cannot be loaded.
    """
    application = Application(settings)
    server = _Server(Gate(application), listening)
    server.loading = lambda: _load(application, server, versions.find(settings.model_dir), greets, complain)
    server.run(sockets=[listening])
    return server.code


async def _load(
    application: Application, server: "_Server", version: Version, greets: bool, complain: Callable[[str], None]
) -> None:
    try:
        application.serve(await asyncio.to_thread(model.load, version))
    except UserError as error:
        complain(f"predict.py: error: {error}")
        server.code, server.should_exit = 2, True
        return
    if greets:
        assert application.model
        host, port = server.listening.getsockname()[:2]
        shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
        print(f"serving {version} by {application.model.runtime} on {host}:{port}", flush=True)
        print(f"try it in a browser: http://{shown}:{port}/", flush=True)


def _end_at_the_latest(seconds: float, code: int) -> None:
    """However long a thread still decodes, loads or predicts."""
    timer = threading.Timer(seconds, os._exit, (code,))
    timer.daemon = True
    timer.start()


class _Server(uvicorn.Server):
    def __init__(self, gate: Gate, listening: socket.socket) -> None:
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        super().__init__(
            uvicorn.Config(
                gate,
                http=_Protocol,
                loop="uvloop",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=FINISH_SECONDS,
                backlog=2048,
            )
        )
        self.gate, self.listening = gate, listening
        self.loading: Any = None
        self.is_one_of_several = gate.application.settings.workers > 1
        self.code = 0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """One process says 503 while it loads; of several, each takes callers when it can serve them."""
        if self.is_one_of_several:
            await self.loading()
        if not self.should_exit:
            await super().startup(sockets)
        if not self.is_one_of_several:
            self.load_task = asyncio.create_task(self.loading())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """No new connections; those that are there have one more request answered, then each ends."""
        self.gate.is_draining = True
        _end_at_the_latest(LAST_SECONDS, self.code)
        for server in self.servers:
            server.close()
        deadline = asyncio.get_running_loop().time() + DRAIN_SECONDS
        while self.server_state.connections and asyncio.get_running_loop().time() < deadline and not self.force_exit:
            await asyncio.sleep(0.05)
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Uvicorn's own would have the process die of the signal after it has ended in order."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


class _Protocol(HttpToolsProtocol):
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
        if self.head > MOST_HEAD:
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

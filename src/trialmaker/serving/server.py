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

from trialmaker.errors import UserError
from trialmaker.model_store.versions import Version, find_version
from trialmaker.serving import predictor
from trialmaker.serving.application import Application
from trialmaker.serving.middleware import Middleware
from trialmaker.serving.protocol import Protocol
from trialmaker.serving.settings import Settings

DRAIN_SECONDS = 2.0  # for connections to bring their next request, which is their last
FINISH_SECONDS = 6  # for requests that run
LAST_SECONDS = 9.5


def run(settings: Settings, listening: socket.socket, *, greets: bool, complain: Callable[[str], None]) -> int:
    """Serve until SIGTERM or Ctrl-C.

    Args:
        greets: say when the model is ready, and where.
        complain: told why the model cannot be loaded.

    Returns:
        the exit code: 0; 2 when the model cannot be loaded.
    """
    application = Application(settings)
    server = _Server(Middleware(application), listening)
    server.loading = lambda: _load(application, server, find_version(settings.model_dir), greets, complain)
    server.run(sockets=[listening])
    return server.code


async def _load(
    application: Application, server: "_Server", version: Version, greets: bool, complain: Callable[[str], None]
) -> None:
    try:
        application.serve(await asyncio.to_thread(predictor.load, version))
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
    def __init__(self, gate: Middleware, listening: socket.socket) -> None:
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        super().__init__(
            uvicorn.Config(
                gate,
                http=Protocol,
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

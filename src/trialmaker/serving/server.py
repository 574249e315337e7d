"""The process that listens: from its settings to its exit code."""

import asyncio
import ctypes
import logging
import os
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

import uvicorn

from trialmaker.errors import UserError, printable
from trialmaker.platform import garbage_collection
from trialmaker.serving import limited_log, listening, predictor, stop_signals, watching
from trialmaker.serving.application import Application
from trialmaker.serving.middleware import Middleware
from trialmaker.serving.predictor import Model
from trialmaker.serving.protocol import Protocol
from trialmaker.serving.settings import Settings

MMAP_THRESHOLD, LARGE_BLOCK_BYTES = -3, 256_000  # of mallopt
DRAIN_SECONDS = 2.0  # for connections to bring their next request, which is their last
FINISH_SECONDS = 6  # for requests that run
EXIT_SECONDS = 9.5  # from the signal to the exit, whatever still runs


def run(settings: Settings, listener: socket.socket, *, announce: bool, report_error: Callable[[str], None]) -> int:
    """Serve until SIGTERM, SIGHUP or Ctrl-C.

    Args:
        settings: the service's.
        listener: the socket to accept connections from.
        announce: print when the model is ready, and where.
        report_error: called with a line that says why the model cannot be loaded.

    Returns:
        the exit code: 0; 2 when the model cannot be loaded.
    """
    _return_large_blocks()
    application = Application(settings)

    async def load() -> None:
        try:
            version, stamp = watching.look(settings.model_dir)
            model = await asyncio.to_thread(predictor.load, version, allow_tensorflow=settings.allow_tensorflow)
        except UserError as error:
            report_error(f"predict.py: error: {error}")
            server.exit_code, server.should_exit = 2, True
            return
        application.serve(model)
        if announce:
            _announce(model, settings, listener)
        if settings.watch:
            report = _print if announce else _ignore  # of several workers, one speaks
            load_again = predictor.load_while_serving
            watcher = watching.Watcher(application, settings.model_dir, stamp, load_again, report)
            server.watch_task = asyncio.ensure_future(watcher.run())
        await application.start_decoder()
        garbage_collection.collect_and_freeze()

    server = _Server(Middleware(application), load)
    with limited_log.limited(_warn):
        server.run(sockets=[listener])
    return server.exit_code


def _return_large_blocks() -> None:
    """Have glibc give what bodies took back to the system; its own threshold grows with what it has given back."""
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(MMAP_THRESHOLD, LARGE_BLOCK_BYTES)


def _print(text: str) -> None:
    print(printable(text), flush=True)


def _warn(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _ignore(_: str) -> None:
    """Do nothing."""


def _announce(model: Model, settings: Settings, listener: socket.socket) -> None:
    print(f"serving {printable(str(model.version))} by {model.runtime} on {listening.place(listener)}", flush=True)
    print(listening.reach(settings, listener), flush=True)
    print(f"try it in a browser: http://{listening.place(listener, for_browser=True)}/", flush=True)


def _exit_within(seconds: float, code: int) -> None:
    """Exit after some seconds at the latest, however long a thread still decodes, loads or predicts."""
    timer = threading.Timer(seconds, os._exit, (code,))
    timer.daemon = True
    timer.start()


class _Server(uvicorn.Server):
    """Uvicorn's server, which also loads the model, and ends in order.

    ``startup``, ``shutdown`` and ``capture_signals`` are overridden as they are in uvicorn 0.54.0, which has no hooks
    for these steps.

    Args:
        middleware: the ASGI application.
        load: loads the model; sets ``should_exit`` when that fails.
    """

    def __init__(self, middleware: Middleware, load: Callable[[], Awaitable[None]]) -> None:
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        super().__init__(
            uvicorn.Config(
                middleware,
                http=Protocol,
                loop="uvloop",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,  # no answer depends on the caller's address or scheme
                timeout_graceful_shutdown=FINISH_SECONDS,
                backlog=middleware.application.settings.max_waiting,
            )
        )
        self.middleware, self.load = middleware, load
        self.is_one_of_several = middleware.application.settings.workers > 1
        self.exit_code = 0
        self.watch_task: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections: one process at once, with 503 while it loads; each of several when it can serve them."""
        if self.is_one_of_several:
            await self.load()
        if not self.should_exit:
            await super().startup(sockets)
        if not self.is_one_of_several:
            self.load_task = asyncio.ensure_future(self.load())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no new connections, answer one more request on each of the present ones, then end them."""
        self.middleware.is_draining = True
        if self.watch_task:
            self.watch_task.cancel()
        _exit_within(EXIT_SECONDS, self.exit_code)
        for server in self.servers:
            server.close()
        deadline = asyncio.get_running_loop().time() + DRAIN_SECONDS
        while self.server_state.connections and asyncio.get_running_loop().time() < deadline and not self.force_exit:
            await asyncio.sleep(0.05)
        await super().shutdown(sockets)
        await self.middleware.application.close()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle the signals within the context, and leave it at that.

        Uvicorn 0.54.0 raises them once more after an orderly end, so that the process would die of them.
        """
        loop = asyncio.get_running_loop()
        for number in stop_signals.heeded():
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield

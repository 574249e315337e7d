"""An ASGI application of a test's own, behind the service's protocol."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from trialmaker.serving.protocol import Protocol


@asynccontextmanager
async def listening(
    application: Any, protocol: type[HttpToolsProtocol] = Protocol, **settings: Any
) -> AsyncIterator[tuple[int, set[Protocol]]]:
    """Serve an ASGI application on a free port; yield the port and the open connections."""
    config = uvicorn.Config(application, lifespan="off", ws="none", log_config=None, access_log=False, **settings)
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: protocol(config, state, {}), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], state.connections  # type: ignore[misc]
    finally:
        server.close()
        for connection in [*state.connections]:
            connection.transport.abort()  # type: ignore[union-attr]
        await asyncio.sleep(0.05)


def run_as_the_service(main: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine on uvloop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)

"""Answers on the wire: those that are written at once are, byte for byte, what uvicorn's own way gives."""

import asyncio
import logging
import tracemalloc
from typing import Any

import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from support.asgi_server import listening, run_as_the_service
from trialmaker.serving.protocol import Protocol

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = GET.replace(b"Host", b"Connection: close\r\nHost")  # after which the connection ends
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
REQUESTS = {
    "one": LAST,
    "several": GET * 3 + LAST,
    "HEAD": GET.replace(b"GET", b"HEAD") + LAST.replace(b"GET", b"HEAD"),
    "HTTP/1.0": GET.replace(b"1.1", b"1.0"),
    "a body": POST + b"\r\n{}" + LAST,
    "a body that waits": POST + b"Expect: 100-continue\r\n\r\n{}" + LAST,
    "a body that is not read": POST.replace(b"/ ", b"/?unread ") + b"Expect: 100-continue\r\n\r\n{}" + LAST,
}
LENGTH_2, CHUNKED = (b"Content-Length", b"2"), (b"transfer-encoding", b"chunked")
ANSWERS: dict[str, list[Any]] = {  # by the headers and the parts of the body; an error is raised
    "whole": [[LENGTH_2, (b"X-Name", b"value")], b"ok"],
    "in parts": [[LENGTH_2], b"o", b"k"],
    "with an empty end": [[LENGTH_2], b"ok", b""],
    "empty": [[(b"content-length", b"0")], b""],
    "without a length": [[], b"ok"],
    "in chunks": [[CHUNKED], b"o", b"k"],
    "last": [[LENGTH_2, (b"connection", b"close")], b"ok"],
    "too short": [[LENGTH_2], b"o"],
    "too long": [[LENGTH_2], b"okay"],
    "with a line feed in a header": [[LENGTH_2, (b"x", b"a\nb")], b"ok"],
    "cut off": [[LENGTH_2], b"o", ValueError()],
}


def application(headers: list[Any], *parts: Any) -> Any:
    """An application that reads the body, unless the query says otherwise, and gives this answer."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["query_string"] != b"unread":
            await receive()
        await send({"type": "http.response.start", "status": 200, "headers": list(headers)})
        for number, part in enumerate(parts, 1):
            if isinstance(part, Exception):
                raise part
            body = {"body": part} if part else {}  # which is optional
            await send({"type": "http.response.body", **body, "more_body": number < len(parts)})

    return app


async def answers_to(app: Any, *requests: bytes, protocol: type[HttpToolsProtocol] = Protocol) -> list[bytes]:
    """All that comes back, on a connection for each, until it ends."""
    answers = []
    async with listening(app, protocol) as (port, _), asyncio.timeout(10):
        for raw in requests:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(raw)
            answers.append(await reader.read())
            writer.close()
    return answers


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_the_bytes_are_those_of_uvicorns_own_way(answer: list[Any]) -> None:
    async def run() -> None:
        app, requests = application(*answer), REQUESTS.values()
        expected = await answers_to(app, *requests, protocol=HttpToolsProtocol)
        actual = await answers_to(app, *requests)
        assert dict(zip(REQUESTS, actual, strict=True)) == dict(zip(REQUESTS, expected, strict=True))

    run_as_the_service(run())


def test_an_error_after_a_head_that_is_not_yet_written_is_answered(caplog: pytest.LogCaptureFixture) -> None:
    """Uvicorn's own way has written it, and can only end the connection."""

    async def run() -> None:
        for parts in ([ValueError()], []):
            [answer] = await answers_to(application([LENGTH_2], *parts), GET)
            assert answer.startswith(b"HTTP/1.1 500 Internal Server Error\r\n") and answer.count(b"HTTP/1.1") == 1
            assert b"\r\nconnection: close\r\n" in answer and answer.endswith(b"\r\n\r\nInternal Server Error")

    with caplog.at_level(logging.ERROR):
        run_as_the_service(run())
    assert len(caplog.messages) == 2


def test_long_headers_of_answers_are_not_kept() -> None:
    """They may hold what a caller sent."""
    numbers = iter(range(1000))

    async def app(_: Any, __: Any, send: Any) -> None:
        text = b"%d" % next(numbers) + b"y" * 30_000
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0"), (b"x", text)]})
        await send({"type": "http.response.body"})

    async def run() -> None:
        await answers_to(app, LAST)
        tracemalloc.start()
        for _ in range(5):
            [answers] = await answers_to(app, GET * 20 + LAST)
            assert answers.count(b"yy\r\n") == 21
        del answers
        assert tracemalloc.get_traced_memory()[0] < 1_000_000
        tracemalloc.stop()

    run_as_the_service(run())

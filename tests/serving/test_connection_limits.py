"""What one connection, or very many, may ask of the service: pipelined requests, headers, chunks, idle connections."""

import asyncio
import gc
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from support.asgi_server import listening, run_as_the_service
from support.service import IMAGE, PREDICT, Service
from support.waiting import HANG_SECONDS
from trialmaker.serving import protocol
from trialmaker.serving.protocol import Protocol

REQUEST = b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"POST /ModelMaker/predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


def answer_to(service: Service, raw: bytes) -> bytes:
    """Send bytes; return what comes back until the service ends the connection."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=HANG_SECONDS) as caller:
        answer = b""
        try:
            caller.sendall(raw)
            while received := caller.recv(65_536):
                answer += received
        except (ConnectionResetError, BrokenPipeError):
            pass
        return answer


async def settle(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(HANG_SECONDS):
        while not condition():
            await asyncio.sleep(0.01)


def answering(is_allowed: Awaitable[Any] | None, seen: list[str]) -> Any:
    """An application that answers each request once it is allowed."""

    async def application(scope: Any, _: Any, send: Any) -> None:
        seen.append(scope["path"])
        if is_allowed:
            await is_allowed.acquire()  # type: ignore[attr-defined]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})
        await send({"type": "http.response.body", "body": b"x"})

    return application


def test_no_answer_reads_more_requests_than_wait() -> None:
    """Else each answer reads as many as fit into a read, and a caller who doesn't read fills the memory."""

    async def run() -> None:
        allowed, seen = asyncio.Semaphore(0), []  # type: ignore[var-annotated]
        async with listening(answering(allowed, seen)) as (port, connections):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(REQUEST * 10)
            await settle(lambda: bool(connections) and len(next(iter(connections)).pipeline) == 9)
            for number in range(1, 9):
                writer.write(REQUEST * 2)
                await asyncio.sleep(0.01)
                allowed.release()
                assert (await reader.readuntil(b"\r\n\r\nx")).startswith(b"HTTP/1.1 200 ")
                await asyncio.sleep(0.01)
                await settle(lambda number=number: len(next(iter(connections)).pipeline) == 9 - number)
            for _ in range(18):
                allowed.release()
                assert (await reader.readuntil(b"\r\n\r\nx")).startswith(b"HTTP/1.1 200 ")
            assert len(seen) == 26
            writer.close()

    run_as_the_service(run())


def test_pipelined_requests_are_answered_in_order_up_to_a_number(service: Service) -> None:
    answers = answer_to(
        service, REQUEST * protocol.MAX_PIPELINED + REQUEST.replace(b"Host", b"Connection: close\r\nHost")
    )
    assert answers.count(b"HTTP/1.1 200 ") == protocol.MAX_PIPELINED + 1
    assert answer_to(service, REQUEST * 5000).count(b"HTTP/1.1 ") == 0
    assert service.ask(PREDICT, IMAGE).status == 200


def test_who_leaves_pipelined_requests_leaves_no_line(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        allowed, seen = asyncio.Semaphore(0), []  # type: ignore[var-annotated]
        async with listening(answering(allowed, seen)) as (port, connections):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(REQUEST * 5)
            await settle(lambda: bool(connections) and len(next(iter(connections)).pipeline) == 4)
            writer.transport.abort()
            for _ in range(5):
                allowed.release()
                await asyncio.sleep(0.02)
            await settle(lambda: not connections)
            assert len(seen) < 5

    with caplog.at_level(logging.WARNING):
        run_as_the_service(run())
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("raw", "status", "text"),
    [
        (b"GET /ping HTTP/1.1\r\nHost: x\r\n" + b"a:\r\n" * 13_000 + b"\r\n", 431, b"at most 100 headers"),
        (b"GET /ping HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000 + b"\r\n\r\n", 431, b"at most 32,768 bytes"),
        (b"GET /ping HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000, 431, b"at most 32,768 bytes"),
        (CHUNKED + b"1\r\n \r\n" * 20_000 + b"0\r\n\r\n", 400, b"of more than 4,096 chunks the mean"),
        (CHUNKED + b"1;" + b"a" * 200_000 + b"\r\n \r\n0\r\n\r\n", 400, b"between chunks"),
        (CHUNKED + b"0\r\n" + b"a: b\r\n" * 200 + b"\r\n", 431, b"at most 100 headers"),
    ],
    ids=["headers", "a head", "a head without an end", "tiny chunks", "an extension", "trailers"],
)
def test_what_is_much_for_nothing_is_refused(service: Service, raw: bytes, status: int, text: bytes) -> None:
    answer = answer_to(service, raw)
    assert answer.startswith(b"HTTP/1.1 %d " % status) and answer.count(b"HTTP/1.1") == 1 and text in answer, answer


def test_small_chunks_of_an_honest_sender_are_read(service: Service) -> None:
    pieces = [b'{"image":[0.0', *[b", 0.0"] * 783, b"]}"]
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    head = CHUNKED.replace(b"Host: x", b"Connection: close\r\nContent-Type: application/json\r\nHost: x")
    assert answer_to(service, head + body).startswith(b"HTTP/1.1 200 ")


def test_beyond_a_number_of_connections_the_longest_idle_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        allowed, seen = asyncio.Semaphore(0), []  # type: ignore[var-annotated]
        async with listening(answering(allowed, seen), backlog=2) as (port, connections):
            busy, answered, unfinished = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
            busy[1].write(REQUEST)
            answered[1].write(REQUEST)
            await settle(lambda: len(seen) == 2)
            unfinished[1].write(REQUEST[:20])
            silent = await asyncio.open_connection("127.0.0.1", port)
            new = await asyncio.open_connection("127.0.0.1", port)
            assert await unfinished[0].read() == b""  # the first that brought no request
            allowed.release()
            allowed.release()
            await busy[0].readuntil(b"\r\n\r\nx")
            newer = await asyncio.open_connection("127.0.0.1", port)
            assert await silent[0].read() == b""
            await settle(lambda: len(connections) == 4)
            newest = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
            assert await new[0].read() == b"" and len(newest) == 3 and newer
            await settle(lambda: len(connections) == 4)
            for _, writer in (busy, answered, unfinished, silent, new, newer, *newest):
                writer.close()

    monkeypatch.setattr(protocol, "SPARE_CONNECTIONS", 2)
    run_as_the_service(run())
    gc.collect()
    assert Protocol.idle == {}

"""Callers that are silent, slow, endless or garbled; and large requests."""

import json
import socket
from contextlib import suppress
from pathlib import Path

from support.service import IMAGE, PREDICT, Service, serving
from support.waiting import HANG_SECONDS


def test_a_silent_or_slow_caller_blocks_nobody(published: Path) -> None:
    with serving(published, "--seconds", "1") as service:
        address = ("127.0.0.1", service.port)
        silent = [socket.create_connection(address) for _ in range(100)]
        slow = socket.create_connection(address)
        slow.sendall(b"POST /ModelMaker/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        assert all(service.ask(PREDICT, IMAGE).status == 200 for _ in range(20))
        slow.settimeout(HANG_SECONDS)
        answer = b""
        while received := slow.recv(10_000):
            answer += received
        assert answer.startswith(b"HTTP/1.1 408 ") and answer.count(b"connection: close") == 1
        assert b"the body must come within 1 seconds" in answer
        for connection in (*silent, slow):
            connection.close()


def test_a_garbled_request_is_refused_and_a_huge_head_is_cut_off(service: Service) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=HANG_SECONDS) as garbled:
        garbled.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert garbled.recv(1000).startswith(b"HTTP/1.1 400 ")
    for start in (b"GET /", b"GET / HTTP/1.1\r\nX: ", b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000):
        with (
            socket.create_connection(("127.0.0.1", service.port), timeout=HANG_SECONDS) as huge,
            suppress(ConnectionResetError, BrokenPipeError),  # which may come before the answer, or after it
        ):
            huge.sendall(start)
            for _ in range(2000):
                huge.sendall(b"y" * 1000)
            answer = b""
            while received := huge.recv(1000):  # endless, but for the time limit, where the connection stays
                answer += received
            assert not answer or answer.startswith(b"HTTP/1.1 4")
    assert service.ask(PREDICT, IMAGE).status == 200


def test_a_large_request_whose_head_comes_with_its_body_is_served(service: Service) -> None:
    images = json.dumps({"image": [[0.0] * 784] * 200}).encode()
    assert len(images) > 700_000
    with socket.create_connection(("127.0.0.1", service.port), timeout=HANG_SECONDS) as caller:
        head = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (PREDICT.encode(), len(images))
        for _ in range(3):  # on one connection
            caller.sendall(head + images)
            answer = b""
            while not answer.endswith(b"}]]}"):
                received = caller.recv(1 << 20)
                assert received, answer
                answer += received
            assert answer.startswith(b"HTTP/1.1 200 ")


def test_an_answer_before_the_bodys_end_ends_the_connection(service: Service) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=HANG_SECONDS) as caller:
        caller.sendall(b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
        answer = b""
        while received := caller.recv(10_000):
            answer += received
    assert answer.startswith(b"HTTP/1.1 404 ") and b"connection: close" in answer

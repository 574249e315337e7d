"""Bytes that two readers of HTTP may take for different requests, addresses that lead out, and many requests."""

import http.client
import json
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest

from support.service import IMAGE, JSON, PREDICT, Service, serving
from support.waiting import HANG_SECONDS

MIB = 1 << 20
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"  # what a caller would slip past whoever stands before the service
HEAD = b"POST /ModelMaker/predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
END = b"0\r\n\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
AMBIGUOUS = {
    "a length and chunks": HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + END + HIDDEN,
    "chunks and a length": HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n" + END + HIDDEN,
    "two lengths": HEAD + b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
    "lengths in a list": HEAD + b"Content-Length: 0, %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
    "a signed length": HEAD + b"Content-Length: +0\r\n\r\n" + HIDDEN,
    "a negative length": HEAD + b"Content-Length: -1\r\n\r\n" + HIDDEN,
    "a length in base 16": HEAD + b"Content-Length: 0x0\r\n\r\n" + HIDDEN,
    "a length of 80 digits": HEAD + b"Content-Length: " + b"9" * 80 + b"\r\n\r\n" + HIDDEN,
    "a folded coding": HEAD + b"Content-Length: 5\r\nTransfer-Encoding:\r\n chunked\r\n\r\n" + END + HIDDEN,
    "a blank before the colon": HEAD + b"Transfer-Encoding : chunked\r\n\r\n" + END + HIDDEN,
    "a tab before the coding": HEAD + b"Content-Length: 5\r\nTransfer-Encoding:\x0bchunked\r\n\r\n" + END + HIDDEN,
    "an unknown coding": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n" + END + HIDDEN,
    "chunks that are not last": HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n" + END + HIDDEN,
    "a name with a null byte": HEAD + b"Content-\0Length: 0\r\n\r\n" + HIDDEN,
    "a line feed in a head": HEAD + b"X: y\nContent-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
    "a carriage return in a head": HEAD + b"X: y\rContent-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
    "a size in base 16 with its sign": CHUNKED + b"0x2\r\n{}\r\n" + END,
    "a size with a sign": CHUNKED + b"+2\r\n{}\r\n" + END,
    "a size of 40 digits": CHUNKED + b"f" * 40 + b"\r\n{}\r\n" + END,
    "a chunk that is longer than its size": CHUNKED + b"2\r\n{}{}\r\n" + END,
    "another version": b"GET /hidden HTTP/9.9\r\nHost: x\r\n\r\n",
    "a request line of another protocol": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}
PATHS = [
    *("/../../../../etc/passwd", "/..%2f..%2f..%2fetc%2fpasswd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd"),
    *(
        "/docs/../../etc/passwd",
        "/web/drawing.html",
        "/static/../settings.py",
        "/..\\..\\etc\\passwd",
        "/\0/etc/passwd",
    ),
    *("/v1/models/..%2f..%2fetc%2fpasswd", "/v1/models/model/versions/..%2f..%2f1", "/%c0%ae%c0%ae/etc/passwd"),
    *("http://elsewhere/etc/passwd", "file:///etc/passwd", "/openapi.json/../../../etc/passwd", "*"),
]


def exchange(port: int, raw: bytes) -> bytes:
    """Send bytes; return all that comes back until the service ends the connection, which it has to do."""
    with socket.create_connection(("127.0.0.1", port), timeout=HANG_SECONDS) as caller:
        caller.sendall(raw)
        answer = b""
        with suppress(ConnectionResetError):
            while received := caller.recv(65536):
                answer += received
        return answer


@pytest.mark.parametrize("raw", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
def test_what_can_be_read_in_two_ways_is_refused_and_the_rest_is_not_read(service: Service, raw: bytes) -> None:
    answer = exchange(service.port, raw)
    assert re.findall(rb"HTTP/1\.1 (\d{3}) ", answer) == [b"400"], answer
    assert b"/hidden" not in answer and b"Traceback" not in answer


def test_a_body_in_chunks_is_read(service: Service) -> None:
    body = json.dumps(IMAGE).encode()
    chunks = b"".join(b"%x;name=value\r\n%b\r\n" % (len(part), part) for part in (body[:100], body[100:]))
    answer = exchange(service.port, CHUNKED.replace(b"Host: x", b"Connection: close\r\nHost: x") + chunks + END)
    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("trailer", [b"Host: y", b"Content-Type: text/html", b"Content-Encoding: gzip"])
def test_a_header_after_the_body_is_none(service: Service, trailer: bytes) -> None:
    body = json.dumps(IMAGE).encode()
    raw = CHUNKED + b"%x\r\n%b\r\n0\r\n%b\r\n\r\n" % (len(body), body, trailer)
    answer = exchange(service.port, raw + b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert re.findall(rb"HTTP/1\.1 (\d{3}) ", answer) == [b"200", b"200"], answer


@pytest.mark.parametrize("path", PATHS)
def test_no_address_leads_to_a_file(service: Service, path: str) -> None:
    answer = exchange(service.port, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert re.match(rb"HTTP/1\.1 40[0-9] ", answer) and b"root:" not in answer and b"Traceback" not in answer


def test_every_address_but_health_and_the_pages_needs_the_key(published: Path) -> None:
    with serving(published, MODELMAKER_AK="me") as service:
        addresses = service.ask("/nothing", headers={"Authorization": "me"}).json["error"].partition("there are: ")[2]
        routes = [address.split() for address in addresses.split(", ")]
        assert len(routes) > 10
        open_paths = set()
        for method, template in [*routes, *(("PUT", path) for _, path in routes), ("GET", "/nothing")]:
            path = template.replace("{version}", "1")
            for spelling in {path, path + "?x=1", f"/{path}", path.upper(), path + "/"}:
                answer = service.ask(spelling, headers={"Authorization": "you"}, method=method)
                if answer.status != 401:
                    open_paths.add(path)
        assert open_paths <= {"/", "/docs", "/openapi.json", "/health/live", "/health/ready", "/ping"}
        assert exchange(service.port, CHUNKED + b"2\r\n{}\r\n0\r\nAuthorization: me\r\n\r\n").startswith(
            b"HTTP/1.1 401 "
        )


def test_many_requests_leave_no_memory_taken(service: Service) -> None:
    """8,000 of them, half of which are refused, or have long heads; the first 2,000 fill what is kept."""
    bodies = [json.dumps(IMAGE).encode(), b'{"image": [1, 2]}', b"{" * 5000]

    def path(caller: int, number: int) -> str:
        if number % 7 == 0:
            return f"/nothing/{number}"
        if number % 7 == 1:
            return f"/docs/?{caller}-{number}" + "<" * 30_000
        return f"{PREDICT}?{number}"

    def ask(caller: int, count: int) -> Iterator[int]:
        with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=HANG_SECONDS)) as connection:
            for number in range(count):
                connection.request("POST", path(caller, number), bodies[number % 3], JSON)
                answer = connection.getresponse()
                answer.read()
                yield answer.status

    def ask_all(count: int) -> set[int]:
        with ThreadPoolExecutor(4) as pool:
            return set().union(*pool.map(lambda caller: set(ask(caller, count)), range(4)))

    process = psutil.Process(service.process.pid)
    assert ask_all(500) == {200, 400, 404}
    before = process.memory_info().rss
    ask_all(1500)
    assert process.memory_info().rss - before < 8 * MIB
    assert service.ask(PREDICT, IMAGE).status == 200

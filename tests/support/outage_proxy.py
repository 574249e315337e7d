"""A proxy in front of an HTTP server on this machine, which fails as networks and servers do, for as long as it is to.

Threads alone, one per connection: a program under test sees real connections, real resets and real answers.
"""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from http.client import HTTPResponse
from typing import BinaryIO

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close() resets the connection
HOP_HEADERS = {"transfer-encoding", "content-length", "connection", "keep-alive"}
CREATION = b"POST /api/2.0/mlflow/runs/create"


class Outage(Enum):
    """How the server is away."""

    NONE = "none"
    REFUSES = "refuses connections"
    CUTS = "takes connections and requests, and resets them"
    SILENT = "takes connections and requests, and never answers"
    SLOW = "passes requests on, and answers seconds later"
    ERROR = "answers 500"
    UNAUTHORIZED = "answers 401"


ANSWERS = {Outage.ERROR: b"500 Internal Server Error", Outage.UNAUTHORIZED: b"401 Unauthorized"}


class OutageProxy:
    """The proxy. Listens from its creation until ``close``.

    Args:
        port: the server's, on this machine.

    Attributes:
        delay_seconds: of an answer, while the outage is ``SLOW``.
        creations_to_lose: how many of the next answers to ``runs/create`` are lost after the server has created it.
        answers_to_pass: how many answers pass from now on, before all others are lost; None for all.
        requests: the first line of each request that the server has got, without the protocol's version.
    """

    def __init__(self, port: int) -> None:
        self.server_port = port
        self.delay_seconds = 0.0
        self.creations_to_lose = 0
        self.answers_to_pass: int | None = None
        self.requests: list[str] = []
        self._outage = Outage.NONE
        self._clients: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self._listen(0)

    @property
    def address(self) -> str:
        """The address under which a program reaches the server."""
        return f"http://127.0.0.1:{self.port}"

    def begin(self, outage: Outage, delay_seconds: float = 0.0) -> None:
        """Begin an outage, which ends the one before; connections are reset if it cuts, or they were not answered."""
        is_reset = outage in (Outage.REFUSES, Outage.CUTS) or self._outage is Outage.SILENT
        self.delay_seconds, self._outage = delay_seconds, outage
        if outage is Outage.REFUSES:
            self._close_listener()
        elif self._listener is None:
            self._listen(self.port)
        if is_reset:
            self._reset_clients()

    def end(self) -> None:
        """Let the server be reached again."""
        self.begin(Outage.NONE)

    @contextmanager
    def away(self, outage: Outage, delay_seconds: float = 0.0) -> Iterator[None]:
        """Have an outage last as long as a context."""
        self.begin(outage, delay_seconds)
        try:
            yield
        finally:
            self.end()

    def close(self) -> None:
        """Close all connections, and listen no longer."""
        self._close_listener()
        self._reset_clients()

    def __enter__(self) -> "OutageProxy":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _listen(self, port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept_all, args=(self._listener,), daemon=True).start()

    def _close_listener(self) -> None:
        if listener := self._listener:
            self._listener = None
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # ends the accept() of the thread
            listener.close()

    def _accept_all(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                with self._lock:
                    self._clients.add(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _reset_clients(self) -> None:
        with self._lock:
            clients, self._clients = self._clients, set()
        for client in clients:
            _reset(client)

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError, ValueError), client.makefile("rb") as stream:
            while (request := _read_request(stream)) and self._answer(client, request):
                pass
        with self._lock:
            self._clients.discard(client)
        _reset(client)

    def _answer(self, client: socket.socket, request: bytes) -> bool:
        """Answer a request as the outage has it; return whether the connection stays."""
        outage = self._outage
        if outage in (Outage.CUTS, Outage.REFUSES):
            return False
        if outage is Outage.SILENT:
            client.recv(1)  # until it is closed from either side
            return False
        if outage in ANSWERS:
            client.sendall(b"HTTP/1.1 " + ANSWERS[outage] + b"\r\nContent-Length: 0\r\n\r\n")
            return True
        answer = self._pass_on(request)
        if outage is Outage.SLOW:
            time.sleep(self.delay_seconds)
        if not self._passes(request):
            return False
        client.sendall(answer)
        return True

    def _passes(self, request: bytes) -> bool:
        """Return whether the answer to a request reaches the client."""
        if request.startswith(CREATION) and self.creations_to_lose:
            self.creations_to_lose -= 1
            return False
        if self.answers_to_pass:
            self.answers_to_pass -= 1
            return True
        return self.answers_to_pass is None

    def _pass_on(self, request: bytes) -> bytes:
        """Send a request to the server; return its answer."""
        line = request.partition(b"\r\n")[0].decode()
        self.requests.append(line.rpartition(" ")[0])
        with socket.create_connection(("127.0.0.1", self.server_port)) as server:
            server.sendall(request)
            response = HTTPResponse(server, method=line.partition(" ")[0])
            response.begin()
            body = response.read()
        headers = [f"{name}: {value}" for name, value in response.getheaders() if name.lower() not in HOP_HEADERS]
        head = [f"HTTP/1.1 {response.status} {response.reason}", *headers, f"Content-Length: {len(body)}", "", ""]
        return "\r\n".join(head).encode("latin-1") + body


def _read_request(stream: BinaryIO) -> bytes:
    """Return the bytes of the next request; b"" at the connection's end."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = stream.readline()
        if not line:
            return b""
        head += line
    names = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
    if names.get(b"transfer-encoding") == b"chunked":
        return head + _read_chunks(stream)
    return head + stream.read(int(names.get(b"content-length", b"0")))


def _read_chunks(stream: BinaryIO) -> bytes:
    body = b""
    while True:
        line = stream.readline()
        size = int(line, 16)
        body += line + stream.read(size + 2)  # with the line's end
        if not size:
            return body


def _reset(client: socket.socket) -> None:
    with suppress(OSError):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        client.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads it
    client.close()

"""A client of little weight: the same request on each connection, again as soon as it is answered.

python load.py PORT PATH CONNECTIONS SECONDS RATE < BODY

RATE limits the requests a second over all connections (0: no limit); an answer's seconds then count from the moment
at which its request was due, so that a server which falls behind cannot hide it.
"""

import asyncio
import json
import sys
import time

import uvloop


class Connection(asyncio.Protocol):
    """One, or one after another where the server ends each with its answer, as wrk does."""

    def __init__(self, port: int, request: bytes, pause: float, first: float, seconds: list[float]) -> None:
        self.port, self.request, self.pause, self.due, self.seconds = port, request, pause, first, seconds
        self.buffer = b""

    async def open(self) -> None:
        await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", self.port)

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.send()

    def later(self) -> None:
        self.due = self.due + self.pause if self.pause else time.perf_counter()
        delay = max(0.0, self.due - time.perf_counter())
        if delay:
            asyncio.get_running_loop().call_later(delay, self.send)
        else:
            self.send()

    def send(self) -> None:
        if self.transport.is_closing():
            self.task = asyncio.get_running_loop().create_task(self.open())
        else:
            self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, separator, body = self.buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        lower = head.lower()
        if len(body) < int(lower[lower.index(b"content-length:") + 15 :].split(b"\r\n", 1)[0]):
            return
        if b" 200 " not in head[:14]:
            sys.exit(head.decode())
        self.buffer = b""
        self.seconds.append(time.perf_counter() - self.due)
        if b"connection: close" in lower or head.startswith(b"HTTP/1.0"):
            self.transport.close()
        self.later()


async def main(port: int, path: str, connections: int, duration: float, rate: float, body: bytes) -> None:
    request = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    seconds: list[float] = []
    pause = connections / rate if rate else 0.0
    began = time.perf_counter()
    for number in range(connections):
        first = began + pause * number / connections if pause else time.perf_counter()
        await Connection(port, request, pause, first, seconds).open()
    await asyncio.sleep(min(1.0, duration / 4))  # to warm up
    seconds.clear()
    began = time.perf_counter()
    await asyncio.sleep(duration)
    count, passed = len(seconds), time.perf_counter() - began
    ordered = sorted(seconds)
    found = {f"p{share}": ordered[min(count - 1, count * share // 100)] for share in (50, 99)}
    print(json.dumps({"rate": count / passed, **found}))


if __name__ == "__main__":
    port, path, connections, duration, rate = sys.argv[1:]
    uvloop.run(main(int(port), path, int(connections), float(duration), float(rate), sys.stdin.read().encode()))

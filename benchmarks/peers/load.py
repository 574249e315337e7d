"""A lightweight HTTP load generator: the same request on each connection, again as soon as it is answered.

python load.py PORT PATH CONNECTIONS SECONDS RATE [CONTENT_TYPE] < BODY

RATE limits the requests a second over all connections (0: no limit); latency then counts from the moment at which the
request was due, so that a server which falls behind cannot hide it (no "coordinated omission").
"""

import asyncio
import json
import sys
import time

import uvloop


class Connection(asyncio.Protocol):
    """A connection that is opened anew where the server closes it after an answer, as wrk does."""

    def __init__(self, port: int, request: bytes, pause: float, first: float, seconds: list[float]) -> None:
        self.port, self.request, self.pause, self.due, self.seconds = port, request, pause, first, seconds
        self.buffer = b""

    async def open(self) -> None:
        await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", self.port)

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.send()

    def schedule(self) -> None:
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
        self.schedule()


async def main(
    port: int, path: str, connections: int, duration: float, rate: float, content_type: str, body: bytes
) -> None:
    request = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    seconds: list[float] = []
    pause = connections / rate if rate else 0.0
    start = time.perf_counter()
    for number in range(connections):
        first = start + pause * number / connections if pause else time.perf_counter()
        await Connection(port, request, pause, first, seconds).open()
    await asyncio.sleep(min(1.0, duration / 4))  # to warm up
    seconds.clear()
    start = time.perf_counter()
    await asyncio.sleep(duration)
    count, elapsed = len(seconds), time.perf_counter() - start
    ordered = sorted(seconds)
    percentiles = {f"p{share}": ordered[min(count - 1, count * share // 100)] for share in (50, 99)}
    print(json.dumps({"rate": count / elapsed, **percentiles}))


if __name__ == "__main__":
    port, path, connections, duration, rate = sys.argv[1:6]
    content_type = sys.argv[6] if len(sys.argv) > 6 else "application/json"
    body = sys.stdin.buffer.read()
    uvloop.run(main(int(port), path, int(connections), float(duration), float(rate), content_type, body))

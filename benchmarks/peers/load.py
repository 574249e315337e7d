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
    def __init__(self, request: bytes, pause: float, first: float, seconds: list[float]) -> None:
        self.request, self.pause, self.due, self.seconds = request, pause, first, seconds
        self.buffer = b""

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.later()

    def later(self) -> None:
        if self.pause:
            self.due += self.pause
            asyncio.get_running_loop().call_later(max(0.0, self.due - time.perf_counter()), self.send)
        else:
            self.due = time.perf_counter()
            self.send()

    def send(self) -> None:
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, separator, body = self.buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        at = head.lower().index(b"content-length:") + 15
        if len(body) < int(head[at:].split(b"\r\n", 1)[0]):
            return
        if not head.startswith(b"HTTP/1.1 200"):
            sys.exit(head.decode())
        self.buffer = b""
        self.seconds.append(time.perf_counter() - self.due)
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
        first = began + pause * (number / connections - 1)
        make = lambda first=first: Connection(request, pause, first, seconds)  # noqa: E731
        await asyncio.get_running_loop().create_connection(make, "127.0.0.1", port)
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

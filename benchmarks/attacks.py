"""The service under attack: what others wait meanwhile, and what memory it takes, at the default limits.

python benchmarks/attacks.py [--seconds S] [--only WORD] [--model DIR] [CHECKOUT ...]

For each checkout (default: this one) and each attack the real predict.py starts anew with a model of the digits. 20
connections, from a process of their own that is niced by 10, send the same prepared request again and again, without a
pause. Meanwhile others send 40 single images as JSON, 10 small pictures and 10 health requests a second; their latency
counts from the moment at which a request was due. Memory is the sum over the service's processes, decoders included.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from hostile import bodies
from support.measure import PROJECT

PORT = 10078
CONNECTIONS = 20
ANSWER_SECONDS = 15.0
PREDICT = "/ModelMaker/predict"
RATES = {"JSON": 40, "pictures": 10, "health": 10}  # requests of others a second


@dataclass
class Latencies:
    """Milliseconds of one kind of request, and what was answered."""

    milliseconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    def percentile(self, share: int) -> float:
        """Return the milliseconds that so many of a hundred requests don't exceed."""
        ordered = sorted(self.milliseconds)
        return ordered[min(len(ordered) - 1, len(ordered) * share // 100)]


def main() -> None:
    """Print a table for each checkout."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("checkouts", nargs="*", type=Path, default=[PROJECT])
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--only", default="", help="a word of the attacks' names")
    parser.add_argument("--model", type=Path, help="a model's folder; one is trained otherwise")
    parser.add_argument("--attack", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.attack:
        asyncio.run(attack(args.attack, args.seconds))
        return
    with tempfile.TemporaryDirectory() as root:
        model = args.model or train(Path(root))
        for checkout in args.checkouts:
            print(f"{checkout}\n| attack | JSON p50, p99 | pictures p50, p99 | health p99 | memory | answers |")
            for name in ["none", *bodies.ATTACKS]:
                if args.only in name:
                    print(measure(checkout.resolve(), model, name, args.seconds), flush=True)


def train(root: Path) -> Path:
    """Train a small model; return its output."""
    command = [sys.executable, "train.py", "data=digits", "model.hidden_units=[128,128]", "training.epochs=5"]
    subprocess.run(command, cwd=PROJECT, env=os.environ | {"AI_ROOT": str(root)}, check=True, stdout=subprocess.DEVNULL)
    return root / "output"


def measure(checkout: Path, model: Path, name: str, seconds: float) -> str:
    """Return a line of the table."""
    serve = [sys.executable, "predict.py", "--host", "127.0.0.1", "--port", str(PORT), "--model-dir", str(model)]
    service = subprocess.Popen(serve, cwd=checkout, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    attacker = None
    try:
        wait_until_ready()
        command = [sys.executable, __file__, "--attack", name, "--seconds", str(seconds + 3)]
        if name != "none":
            attacker = subprocess.Popen(command, preexec_fn=lambda: os.nice(10))
            time.sleep(3)  # until it has made its body, and all of its connections send
        peak = Peak(service.pid)
        latencies = asyncio.run(others(seconds))
        return line(name, latencies, peak.stop())
    finally:
        if attacker:
            attacker.kill()
            attacker.wait()
        for process in [*psutil.Process(service.pid).children(recursive=True), service]:
            process.kill()
        service.wait()


def line(name: str, latencies: dict[str, Latencies], megabytes: float) -> str:
    """Return a line of the table."""
    pairs = [f"{kind.percentile(50):.0f}, {kind.percentile(99):.0f} ms" for kind in latencies.values()]
    statuses = sum((kind.statuses for kind in latencies.values()), Counter[int]())
    answers = ", ".join(f"{count} x {status or 'none'}" for status, count in sorted(statuses.items()))
    health = f"{latencies['health'].percentile(99):.0f} ms"
    return f"| {name} | {pairs[0]} | {pairs[1]} | {health} | {megabytes:.0f} MB | {answers} |"


class Peak:
    """The largest sum of the resident memory of a process and its children, sampled on a thread."""

    def __init__(self, process_id: int) -> None:
        self.process_id, self.largest, self.has_ended = process_id, 0, False
        self.thread = threading.Thread(target=self._sample)
        self.thread.start()

    def _sample(self) -> None:
        while not self.has_ended:
            self.largest = max(self.largest, sum(map(resident_bytes, family(self.process_id))))
            time.sleep(0.05)

    def stop(self) -> float:
        """Return the megabytes."""
        self.has_ended = True
        self.thread.join()
        return self.largest / 1e6


def family(process_id: int) -> list[int]:
    """Return a process and its descendants, cheaply: the threads of a measurement wait for each other."""
    threads = Path(f"/proc/{process_id}/task").glob("*/children")
    children = [int(word) for file in threads for word in text_of(file).split()]
    return [process_id, *(one for child in children for one in family(child))]


def resident_bytes(process_id: int) -> int:
    """Return the resident memory of a process; 0 if it has ended."""
    words = text_of(Path(f"/proc/{process_id}/statm")).split()
    return int(words[1]) * os.sysconf("SC_PAGE_SIZE") if words else 0


def text_of(file: Path) -> str:
    """Return a file's text; "" if it is gone."""
    try:
        return file.read_text(encoding="ascii")
    except OSError:
        return ""


async def others(seconds: float) -> dict[str, Latencies]:
    """Send the requests of others, each kind at its rate; return their latencies."""
    image = json.dumps({"image": [round(x * 37 % 256 / 255, 8) for x in range(784)]}).encode()
    picture = bodies.in_form(bodies.png(280, 280, 0))
    requests = {
        "JSON": request(PREDICT, "application/json", image),
        "pictures": request(PREDICT, bodies.FORM, picture),
        "health": b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n",
    }
    latencies = {kind: Latencies() for kind in requests}
    start = time.perf_counter() + 0.1
    calls = [
        call(raw, start + number / RATES[kind], latencies[kind])
        for kind, raw in requests.items()
        for number in range(int(seconds * RATES[kind]))
    ]
    await asyncio.gather(*calls)
    return latencies


async def call(raw: bytes, due: float, latencies: Latencies) -> None:
    """Send a request when it is due, on a connection of its own."""
    await asyncio.sleep(due - time.perf_counter())
    status = 0
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
            status = await exchange(reader, writer, raw)
            writer.close()
    except (TimeoutError, OSError, asyncio.IncompleteReadError):
        pass
    latencies.milliseconds.append(1000 * (time.perf_counter() - due))
    latencies.statuses[status] += 1


async def attack(name: str, seconds: float) -> None:
    """Send the request of an attack on many connections, again as soon as it is answered."""
    content_type, make = bodies.ATTACKS[name]
    raw = request(PREDICT, content_type, make())

    async def repeat() -> None:
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
                while True:
                    await exchange(reader, writer, raw)
            except (OSError, asyncio.IncompleteReadError):
                await asyncio.sleep(0.01)  # the service ended the connection with its answer

    tasks = [asyncio.ensure_future(repeat()) for _ in range(CONNECTIONS)]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, raw: bytes) -> int:
    """Send a request and read the answer; return its status."""
    writer.write(raw)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].partition(b"\r")[0])
    await reader.readexactly(length)
    return int(head.split(b" ", 2)[1])


def request(path: str, content_type: str, body: bytes) -> bytes:
    """Return the bytes of a request."""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def wait_until_ready() -> None:
    """Wait until the service answers."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/health/ready", timeout=5):
                return
        except OSError:
            time.sleep(0.05)
    sys.exit("the service does not start")


if __name__ == "__main__":
    main()

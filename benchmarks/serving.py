"""The inference service beside a bare route, the platform's own example design and ``mlflow models serve``, in turn.

python benchmarks/serving.py [--rounds N] [--seconds S] [--peers NAME ...]

Requests are single images as JSON over loopback, from a process of their own: an asyncio client that writes a prepared
request on each of its connections and waits for the answer. It shares the machine's cores with the server. The bare
route is a plain Starlette route, which parses the same body and answers a fixed one. Pictures are PNG files of 28x28 in
a form; what the processes that decode them take of all processor time is their share.
"""

import argparse
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from PIL import Image

from support.measure import PROJECT
from support.table import Row, record

PORT = 10077
OURS, BARE = "ours", "bare"
SERVERS = (OURS, BARE, "ours-tensorflow", "flask", "mlflow")
BOUNDARY = "----benchmark"
FORM_TYPE = f"multipart/form-data; boundary={BOUNDARY}"
CLIENT = PROJECT / "benchmarks" / "peers" / "load.py"
IMAGE = [round((x * 37 % 256) / 255, 8) if x % 5 == 0 else 0.0 for x in range(784)]


@dataclass
class Server:
    """A server to compare: its command and request, and its measurements, one a round."""

    name: str
    command: list[str]
    path: str
    body: str
    environment: dict[str, str] = field(default_factory=dict)
    rates: dict[int, list[float]] = field(default_factory=lambda: {1: [], 32: []})
    medians: dict[int, list[float]] = field(default_factory=lambda: {1: [], 32: []})
    half_load: list[dict[str, float]] = field(default_factory=list)
    pictures: list[tuple[float, float]] = field(default_factory=list)  # a second, and the decoders' share
    ready: list[float] = field(default_factory=list)
    mebibytes: list[float] = field(default_factory=list)


def main(rounds: int, seconds: float, names: list[str]) -> None:
    """Alternate, one round at a time."""
    with tempfile.TemporaryDirectory() as root:
        servers = [server for server in peers(Path(root)) if server.name in names]
        for _ in range(rounds):
            for server in servers:
                with running(server) as process:
                    measure(server, process, seconds)
        for server in servers:
            report(server, servers[0])
        report_half_load(servers[0])
        report_pictures(servers[0])
        report_tensorflow_import()
        if len(servers) == len(SERVERS):
            record("serving", rows(*servers))


def rows(ours: Server, bare: Server, *others: Server) -> list[Row]:
    """Return rows for the table; the bare route is the limit."""
    limit = statistics.median(bare.rates[32])
    rates = {server.name: server.rates[32] for server in (bare, *others)}
    pictures, _ = zip(*ours.pictures, strict=True)
    return [
        Row("JSON requests, 32 connections", "a second", ours.rates[32], rates, limit, "the bare route", True),
        Row("pictures, 32 connections", "a second", pictures, more_is_better=True),
        Row("p99 at half of that load", "ms", [1000 * one["p99"] for one in ours.half_load]),
        Row("the service is ready", "s", ours.ready, {server.name: server.ready for server in (bare, *others)}),
    ]


def measure(server: Server, process: psutil.Process, seconds: float) -> None:
    """Measure a server that runs: with one connection and many, and ours with half the load and with pictures."""
    for connections in (1, 32):
        figures = load(server, connections, seconds)
        server.rates[connections].append(figures["rate"])
        server.medians[connections].append(figures["p50"])
    if server.name == OURS:
        server.half_load.append(load(server, 32, seconds, rate=server.rates[32][-1] / 2))
        before = processor_seconds(process)
        rate = load(server, 32, seconds, body=picture_form(), content_type=FORM_TYPE)["rate"]
        service, decoders = (after - start for after, start in zip(processor_seconds(process), before, strict=True))
        server.pictures.append((rate, decoders / (service + decoders)))


def processor_seconds(process: psutil.Process) -> tuple[float, float]:
    """Return the processor seconds of a service, and those of the processes that decode for it."""
    decoders = process.children(recursive=True)
    times = [sum(one.cpu_times()[:2]) for one in (process, *decoders)]
    return times[0], sum(times[1:])


def picture_form() -> str:
    """Return a form with a PNG file, its bytes as latin-1."""
    file = io.BytesIO()
    pixels = bytes(round(255 * value) for value in IMAGE)
    Image.frombytes("L", (28, 28), pixels).save(file, "PNG")
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="digit.png"\r\n'
    return f"{head}Content-Type: image/png\r\n\r\n{file.getvalue().decode('latin-1')}\r\n--{BOUNDARY}--\r\n"


def report(server: Server, ours: Server) -> None:
    """Print a server's figures, and how many times its throughput ours has, round by round."""
    ratios = [own / rate for own, rate in zip(ours.rates[32], server.rates[32], strict=True)]
    single, parallel = (statistics.median(server.medians[count]) * 1000 for count in (1, 32))
    rate, ready = statistics.median(server.rates[32]), statistics.median(server.ready)
    print(f"{server.name}: 1 connection: median {single:.2f} ms; 32: {rate:.0f} requests/s,")
    print(f"    median {parallel:.1f} ms; ours has {statistics.median(ratios):.2f} times the throughput", end=" ")
    print(f"({min(ratios):.2f} to {max(ratios):.2f}); ready in {ready:.1f} s", end=" ")
    print(
        f"({min(server.ready):.1f} to {max(server.ready):.1f}); {statistics.median(server.mebibytes):.0f} MiB",
        flush=True,
    )


def report_half_load(ours: Server) -> None:
    """Print the percentiles of the latency at half of the highest throughput of the same round."""
    rate = statistics.median(one["rate"] for one in ours.half_load)
    p50, p99 = ([1000 * one[key] for one in ours.half_load] for key in ("p50", "p99"))
    print(f"ours at half load, {rate:.0f} requests/s on 32 connections: p50 {statistics.median(p50):.1f} ms,", end=" ")
    print(f"p99 {statistics.median(p99):.1f} ms ({min(p99):.1f} to {max(p99):.1f})")


def report_pictures(ours: Server) -> None:
    """Print the pictures a second, and the share of the processes that decode."""
    rates, shares = zip(*ours.pictures, strict=True)
    print(f"ours: {statistics.median(rates):.0f} pictures/s ({min(rates):.0f} to {max(rates):.0f}),", end=" ")
    print(f"of whose processor time the decoders take {statistics.median(shares):.0%}")


def report_tensorflow_import() -> None:
    """Print what a service with TensorFlow pays before it is ready."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import tensorflow"], check=True, stderr=subprocess.DEVNULL)
    print(f"import tensorflow: {time.perf_counter() - start:.1f} s")


def peers(root: Path) -> list[Server]:
    """Train a model, and return its servers, ours first."""
    train = [sys.executable, "train.py", "data=digits", "model.hidden_units=[128,128]", "training.epochs=5"]
    subprocess.run(train, cwd=PROJECT, env=os.environ | {"AI_ROOT": str(root)}, check=True, stdout=subprocess.DEVNULL)
    model = root / "output" / "model"
    version = max(model.iterdir(), key=lambda path: (path.is_dir(), path.name))
    port = ["--port", str(PORT), "--host", "127.0.0.1"]
    logged = next((root / "output" / "mlartifacts").rglob("MLmodel")).parent
    mlflow = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(logged), "--env-manager", "local", *port]
    bare = [sys.executable, str(PROJECT / "benchmarks" / "peers" / "bare_route.py"), str(PORT)]
    flask = [sys.executable, str(PROJECT / "benchmarks" / "peers" / "flask_service.py"), str(version), str(PORT)]
    image = json.dumps({"image": IMAGE})
    rows = json.dumps({"inputs": [[[[value] for value in IMAGE[start : start + 28]] for start in range(0, 784, 28)]]})
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # where MLflow looks for uvicorn
    variables = {"PATH": path, "MLFLOW_DISABLE_TELEMETRY": "true", "TF_CPP_MIN_LOG_LEVEL": "3"}
    by_tensorflow = shutil.copytree(version, root / "1", ignore=shutil.ignore_patterns("model.tflite"))
    ours = [sys.executable, "predict.py", *port, "--model-dir"]
    return [
        Server(OURS, [*ours, str(version)], "/ModelMaker/predict", image),
        Server(BARE, bare, "/ModelMaker/predict", image),
        Server("ours-tensorflow", [*ours, str(by_tensorflow)], "/ModelMaker/predict", image),
        Server("flask", flask, "/ModelMaker/predict", image, variables),
        Server("mlflow", mlflow, "/invocations", rows, variables),
    ]


@contextmanager
def running(server: Server) -> Iterator[psutil.Process]:
    """Start a server, wait for its first answer, record seconds and memory, yield it; kill it at the end."""
    start = time.perf_counter()
    process = subprocess.Popen(
        server.command, cwd=PROJECT, env=os.environ | server.environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        while not answers(server):
            if process.poll() is not None or time.perf_counter() - start > 120:
                sys.exit(f"{server.name} does not answer")
            time.sleep(0.02)
        server.ready.append(time.perf_counter() - start)
        family = [process.pid, *(child.pid for child in psutil.Process(process.pid).children(recursive=True))]
        server.mebibytes.append(sum(psutil.Process(pid).memory_info().rss for pid in family) / 2**20)
        yield psutil.Process(process.pid)
    finally:
        if process.poll() is None:
            for child in [*psutil.Process(process.pid).children(recursive=True), process]:
                child.kill()
        process.wait()
        time.sleep(0.5)


def answers(server: Server) -> bool:
    """Return whether the server answers a request with 200."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{PORT}{server.path}", server.body.encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def load(
    server: Server, connections: int, seconds: float, rate: float = 0, body: str = "",
    content_type: str = "application/json",
) -> dict[str, float]:  # fmt: skip
    """Return the requests a second, and percentiles of their seconds; ``rate`` limits the requests a second."""
    arguments = [str(PORT), server.path, str(connections), str(seconds), str(rate), content_type]
    command = [sys.executable, str(CLIENT), *arguments]
    content = (body or server.body).encode("latin-1")
    process = subprocess.run(command, input=content, stdout=subprocess.PIPE, check=True)
    figures: dict[str, float] = json.loads(process.stdout)
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement; default: 2")
    parser.add_argument("--peers", nargs="+", choices=SERVERS, default=SERVERS, help="what is measured; ours always is")
    args = parser.parse_args()
    main(args.rounds, args.seconds, [OURS, *args.peers])

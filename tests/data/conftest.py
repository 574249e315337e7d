"""Fixtures of the data tests: MNIST files in every spelling, mirrors on 127.0.0.1, and an unprivileged user."""

import gzip
import os
import struct
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

STEMS = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def _idx_bytes(array: np.ndarray, *, zipped: bool = False) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    content = header + array.astype(np.uint8).tobytes()
    return gzip.compress(content, mtime=0) if zipped else content


@pytest.fixture(scope="session")
def idx_bytes() -> Callable[..., bytes]:
    """A function that returns an array as an IDX file."""
    return _idx_bytes


@pytest.fixture(scope="session")
def digits_like() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """100 + 20 noisy images of 28 x 28 with labels 0..9 in turn, in the order of MNIST's files."""
    noise = np.random.default_rng(0).integers(0, 256, (120, 28, 28), dtype=np.uint8)
    labels = (np.arange(120) % 10).astype(np.uint8)
    return noise[:100], labels[:100], noise[100:], labels[100:]


@pytest.fixture
def write_mnist(digits_like: tuple[np.ndarray, ...]) -> Callable[..., Path]:
    """A function that writes a tiny MNIST into a folder; ``replace`` holds other arrays by the index of the file."""

    def write(
        folder: Path, *, zipped: bool = True, dotted: bool = False, replace: dict[int, np.ndarray] | None = None
    ) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        arrays = dict(enumerate(digits_like)) | (replace or {})
        for index, stem in enumerate(STEMS):
            name = stem.replace("-idx", ".idx") if dotted else stem
            content = _idx_bytes(arrays[index], zipped=zipped)
            (folder / (f"{name}.gz" if zipped else name)).write_bytes(content)
        return folder

    return write


@pytest.fixture
def real_mnist() -> Path:
    folder = os.environ.get("TRIALMAKER_MNIST")
    if not folder:
        pytest.skip("needs the real MNIST: set TRIALMAKER_MNIST to the folder that holds it")
    return Path(folder)


@pytest.fixture
def unprivileged(tmp_path: Path) -> Iterator[None]:
    """Run the rest of the test without privileges: root, who can read files of mode 000, becomes nobody."""
    if os.geteuid() != 0:
        yield
        return
    for folder in (tmp_path, *list(tmp_path.parents)[:3]):  # pytest's own folders are for their owner only
        folder.chmod(0o755)
    os.seteuid(65534)
    yield
    os.seteuid(0)


class Mirror:
    """A web server with scripted answers: path -> function of the request handler."""

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {}
        self.requests: list[str] = []
        self.released = threading.Event()
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.requests.append(self.path)
                mirror.answers.get(self.path, lambda handler: handler.send_error(404))(self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def serve(self, path: str, content: bytes, *, content_length: int | None = None) -> None:
        """Answer with the content; ``content_length`` is a wrong Content-Length."""

        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(content) if content_length is None else content_length))
            handler.end_headers()
            handler.wfile.write(content)

        self.answers[path] = answer

    def stall(self, path: str) -> None:
        """Announce 1,000 bytes, send one, and then nothing until the test is over."""

        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.send_header("Content-Length", "1000")
            handler.end_headers()
            handler.wfile.write(b"x")
            handler.wfile.flush()
            self.released.wait(10)

        self.answers[path] = answer

    def flood(self, path: str) -> None:
        """Send zeros until the client closes the connection."""

        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.end_headers()
            while not self.released.is_set():
                try:
                    handler.wfile.write(bytes(65536))
                except OSError:
                    return

        self.answers[path] = answer

    def close(self) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def mirrors(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Mirror]]:
    """A function that starts a mirror on 127.0.0.1; requests bypass this machine's proxy."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    started: list[Mirror] = []

    def start() -> Mirror:
        started.append(Mirror())
        return started[-1]

    yield start
    for mirror in started:
        mirror.close()

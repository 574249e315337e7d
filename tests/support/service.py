"""The inference service as tests run it: the real process, on a port of its own, over loopback."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from support.entry import PROJECT
from support.servers import free_port

READY_SECONDS = 60
JSON = {"Content-Type": "application/json"}


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Service:
    """A running ``predict.py``."""

    port: int
    process: subprocess.Popen[str]

    def ask(
        self, path: str, body: Any = None, headers: Mapping[str, str] | None = None, method: str | None = None
    ) -> Answer:
        """A request on a connection of its own. A body that is no bytes is sent as JSON."""
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            verb = method or ("GET" if raw is None else "POST")
            connection.request(verb, path, raw, JSON if headers is None else headers)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read())
        finally:
            connection.close()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> tuple[int, str, str]:
        """Its exit code, and what it printed."""
        self.process.send_signal(how)
        out, err = self.process.communicate(timeout=20)
        return self.process.returncode, out, err


def command(*words: str) -> list[str]:
    return [sys.executable, str(PROJECT / "predict.py"), *words]


@contextmanager
def serving(model: Path, *words: str, ready: bool = True, **environment: str) -> Iterator[Service]:
    """The service of a model, from when it is ready."""
    port = free_port()
    line = command("--host", "127.0.0.1", "--port", str(port), "--model-dir", str(model), *words)
    process = subprocess.Popen(
        line, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    service = Service(port, process)
    try:
        deadline = time.monotonic() + READY_SECONDS
        while ready and not _is_ready(service):
            assert process.poll() is None and time.monotonic() < deadline, process.communicate()
            time.sleep(0.05)
        yield service
    finally:
        if process.poll() is None:
            for one in [*psutil.Process(process.pid).children(recursive=True), process]:
                one.kill()
        process.communicate()


def _is_ready(service: Service) -> bool:
    try:
        return service.ask("/health/ready").status == 200
    except OSError:
        return False

"""The inference service as tests run it: the real process, on a free port of this machine."""

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
from support.waiting import HANG_SECONDS

JSON = {"Content-Type": "application/json"}
PREDICT = "/ModelMaker/predict"
ROWS = "/v1/models/model:predict"
IMAGE = {"image": [0.0] * 784}


@dataclass
class Answer:
    """An HTTP answer; the names of its headers are in lower case."""

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
        """Send a request on a connection of its own; a body that is no bytes is sent as JSON."""
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=HANG_SECONDS)
        try:
            verb = method or ("GET" if raw is None else "POST")
            connection.request(verb, path, raw, JSON if headers is None else headers)
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.headers.items()}
            return Answer(answer.status, headers, answer.read())
        finally:
            connection.close()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str, str]:
        """Send a signal, and return the exit code, standard output and standard error."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=HANG_SECONDS)
        return self.process.returncode, out, err


def best_version(published: Path) -> Path:
    """Return the folder of the best version in an output."""
    return published / "model" / str(json.loads((published / "model" / "best.json").read_text())["version"])


def command(*words: str) -> list[str]:
    """Return the command line of ``predict.py`` with these arguments."""
    return [sys.executable, str(PROJECT / "predict.py"), *words]


@contextmanager
def serving(
    model: Path, *words: str, ready: bool = True, listens_by_default: bool = False, **environment: str
) -> Iterator[Service]:
    """Run the service of a model within the context, on 127.0.0.1 unless ``words`` say otherwise.

    Args:
        model: what ``--model-dir`` names.
        words: more arguments.
        listens_by_default: say nothing of where it listens.
        ready: wait until the model is ready; else the context begins at once.
        environment: more environment variables.
    """
    port = free_port()
    host = () if listens_by_default else ("--host", "127.0.0.1")
    command_line = command(*host, "--port", str(port), "--model-dir", str(model), *words)
    process = subprocess.Popen(
        command_line, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    service = Service(port, process)
    try:
        deadline = time.monotonic() + HANG_SECONDS
        while ready and not _is_ready(service):
            assert process.poll() is None and time.monotonic() < deadline, process.communicate()
            time.sleep(0.05)
        yield service
    finally:
        if process.poll() is None:
            for running in [*psutil.Process(process.pid).children(recursive=True), process]:
                running.kill()
        process.communicate()


def _is_ready(service: Service) -> bool:
    try:
        return service.ask("/health/ready").status == 200
    except OSError:
        return False

"""Real servers for tests, which run until their context ends: programs that listen on a port, and empty databases."""

import itertools
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.waiting import HANG_SECONDS

PASSWORD = "secret-of-the-study"
TEST_PORTS = range(30_200, 32_760)  # above those of the emulator, below those that the kernel gives to connections
OWN_PORTS, PORT_STEP = 320, 12
MLFLOW_SERVER = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # its environment


@contextmanager
def run_server(command: list[str], root: Path, environment: Mapping[str, str] = os.environ) -> Iterator[None]:
    """Run a server, waiting until it listens on the port that an argument such as ``--port=5000`` names."""
    port = next(int(word.rpartition("=")[2]) for word in command if word.rpartition("=")[2].isdigit())
    with (root / "server.log").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + HANG_SECONDS
        while not is_listening(port):
            assert server.poll() is None and time.monotonic() < deadline, (root / "server.log").read_text()
            time.sleep(0.1)
        yield
    finally:
        for process in [*psutil.Process(server.pid).children(recursive=True), server]:
            process.send_signal(signal.SIGKILL)
        server.wait()


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """Return a port that is free, as the next few are; each of the processes that run tests has others."""
    while True:
        port = next(_ports)
        if all(_is_free(one) for one in range(port, port + PORT_STEP)):
            return port


def _own_ports() -> Iterator[int]:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    own = [*TEST_PORTS[OWN_PORTS * worker % len(TEST_PORTS) :][:OWN_PORTS:PORT_STEP]]
    start = random.SystemRandom().randrange(len(own))  # the tests of another checkout may run on this machine
    return itertools.cycle([*own[start:], *own[:start]])


def _is_free(port: int) -> bool:
    with socket.socket() as probe, suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # of connections that have ended
        probe.bind(("", port))
        return True
    return False


_ports = _own_ports()


@contextmanager
def mlflow_server(folder: Path, database: str | None = None) -> Iterator[str]:
    """Run a team's MLflow server, on SQLite unless another database is given; yield its address."""
    port = free_port()
    folder.mkdir(exist_ok=True)
    store = database or f"sqlite:///{folder / 'team.db'}"
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store, f"--port={port}", "--workers=1"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    with run_server(command, folder, os.environ | MLFLOW_SERVER):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def postgresql() -> Iterator[str]:
    """Yield the URL of an empty PostgreSQL database."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    control = shutil.which("pg_ctl") or (str(programs[-1]) if programs else None)
    if not control:
        pytest.skip("needs PostgreSQL's server: pg_ctl is not installed")
    with _root() as root:
        user: dict[str, Any] = {"user": "postgres"} if os.getuid() == 0 else {}  # the server refuses to be run by root
        (root / "password").write_text(PASSWORD)
        if user:
            shutil.chown(root, "postgres")
            shutil.chown(root / "password", "postgres")

        def call(program: str, *words: str) -> None:
            command = [str(Path(control).resolve().parent / program), "-D", str(root / "data"), *words]
            subprocess.run(command, check=True, capture_output=True, cwd=root, stdin=subprocess.DEVNULL, **user)

        call("initdb", "-U", "study", "-A", "scram-sha-256", f"--pwfile={root / 'password'}", "-E", "UTF8")
        port = free_port()
        options = f"-p {port} -k {root} -c listen_addresses=127.0.0.1"
        call("pg_ctl", "-w", "-o", options, "-l", str(root / "log"), "start")
        try:
            yield f"postgresql://study:{PASSWORD}@127.0.0.1:{port}/postgres"
        finally:
            call("pg_ctl", "-m", "immediate", "stop")


@contextmanager
def mysql() -> Iterator[str]:
    """Yield the URL of an empty MariaDB database."""
    if not shutil.which("mariadbd"):
        pytest.skip("needs MySQL's server: mariadbd is not installed")
    with _root() as root:
        data, socket_ = f"--datadir={root / 'data'}", f"--socket={root / 'socket'}"
        make = ["mariadb-install-db", "--no-defaults", data, "--auth-root-authentication-method=normal"]
        user = ["--user=root"] if os.getuid() == 0 else []
        subprocess.run([*make, *user], check=True, capture_output=True)
        port = free_port()
        serve = ["mariadbd", "--no-defaults", f"--port={port}", "--bind-address=127.0.0.1", data, socket_, *user]
        with run_server(serve, root):
            words = (
                f"CREATE DATABASE study; CREATE USER study@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';"
                " GRANT ALL ON study.* TO study@'127.0.0.1'"
            )
            subprocess.run(["mariadb", "--no-defaults", socket_, "-u", "root", "-e", words], check=True)
            yield f"mysql://study:{PASSWORD}@127.0.0.1:{port}/study"


DATABASES: list[Callable[[], object]] = [postgresql, mysql]


@contextmanager
def _root() -> Iterator[Path]:
    """Yield a new directory with a short path, as sockets need it."""
    root = Path(tempfile.mkdtemp(dir="/tmp"))
    try:
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)

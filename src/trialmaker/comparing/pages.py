"""MLflow's UI over a merged store, and the address of the page that compares its best runs."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from trialmaker.comparing.outputs import STORE
from trialmaker.comparing.runs import Run
from trialmaker.errors import UserError

HOST = "127.0.0.1"
FIRST_PORT, LAST_PORT = 5000, 5099
MOST_COMPARED = 10  # runs on one page
PATIENCE_SECONDS = 120.0  # until the server answers
SETTINGS = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "PYTHONSAFEPATH": "1"}


def compared(runs: Sequence[Run]) -> list[Run]:
    """The runs worth a first look: the best of each output; of one output alone, its best. At most ten, best first."""
    ranked = sorted((run for run in runs if run.best is not None and not run.is_study), key=lambda run: run.rank)
    first = {run.output: run for run in reversed(ranked)}
    chosen = list(first.values()) if len(first) > 1 else ranked
    return sorted(chosen, key=lambda run: run.rank)[:MOST_COMPARED]


def comparison(port: int, runs: Sequence[Run]) -> str:
    """The address of the page that compares them."""
    ids = json.dumps([run.run_id for run in runs])
    experiments = json.dumps(sorted({str(run.experiment_id) for run in runs}))
    return f"http://{HOST}:{port}/#/compare-runs?runs={quote(ids)}&experiments={quote(experiments)}"


def experiment(port: int, run: Run) -> str:
    """The address of the page of all runs of its experiment."""
    return f"http://{HOST}:{port}/#/experiments/{run.experiment_id}/runs"


def free_port(wanted: int | None) -> int:
    """The one that is wanted, or the first free one from 5000 on.

    Raises:
        UserError: it is taken.
    """
    for port in [wanted] if wanted else range(FIRST_PORT, LAST_PORT + 1):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            return port
    taken = f"--port {wanted}" if wanted else f"ports {FIRST_PORT} to {LAST_PORT}"
    raise UserError(f"{taken}: taken by another program on this machine; --port N names a free one")


class Server:
    """MLflow's server on a store, for as long as the context lasts. Its log is ``server.log`` beside the store."""

    def __init__(self, store: Path, port: int) -> None:
        self.log, self.port = store / "server.log", port
        command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{store / STORE}"]
        command += ["--artifacts-destination", str(store / "mlartifacts"), "--host", HOST, "--port", str(port)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--workers", "1"],
                cwd=store,
                env=os.environ | SETTINGS,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        for way in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, way)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=5)

    def wait_until_ready(self) -> None:
        """Raises:
        RuntimeError: it ended, or does not answer; with the end of its log.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            with suppress(urllib.error.URLError, ConnectionError, TimeoutError):
                urllib.request.urlopen(f"http://{HOST}:{self.port}/health", timeout=5).close()
                return
            time.sleep(0.1)
        raise RuntimeError(f"MLflow's server does not answer; {self.log} ends with:\n{self.log.read_text()[-2000:]}")

    def serve(self, refresh: Callable[[], None], every_seconds: float | None) -> int:
        """Until it ends, bring the store up to date every so often; never for None.

        Returns:
            its exit code.
        """
        while True:
            try:
                return self.process.wait(timeout=every_seconds)
            except subprocess.TimeoutExpired:
                refresh()

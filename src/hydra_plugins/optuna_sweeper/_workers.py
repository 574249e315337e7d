"""Worker processes: the same command again, marked as a worker by its environment."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from optuna.trial import TrialState

from hydra_plugins.optuna_sweeper._study import Study
from hydra_plugins.optuna_sweeper.trial import WORKER

STOP_SECONDS = 25.0  # for a worker to end its trial in order
POLL_SECONDS = 0.25


def supervise(study: Study, count: int, directory: Path, update: Callable[[], None]) -> None:
    """Have so many processes run trials until none is left. A worker that dies is replaced, and its trial run again.

    Args:
        directory: for what the workers print.
        update: called now and then.
    """
    directory.mkdir(parents=True, exist_ok=True)
    workers: dict[int, subprocess.Popen[bytes]] = {}
    study.recover()
    try:
        while True:
            for number in range(1, count + 1):
                worker = workers.get(number)
                if worker is not None and worker.poll() not in (None, 0):
                    study.recover()
                if (worker is None or worker.poll() not in (None, 0)) and study.trials(TrialState.WAITING):
                    workers[number] = _start(number, directory)
            if all(worker.poll() == 0 for worker in workers.values()):
                return
            update()
            time.sleep(POLL_SECONDS)
    finally:
        _stop(list(workers.values()))
        study.recover()
        update()


def _start(number: int, directory: Path) -> "subprocess.Popen[bytes]":
    with (directory / f"worker-{number}.log").open("ab") as output:
        return subprocess.Popen(
            [sys.executable, *sys.orig_argv[1:]],
            env=os.environ | {WORKER: str(number)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for this process, which then ends them in order
        )


def _stop(workers: "list[subprocess.Popen[bytes]]") -> None:
    for worker in workers:
        if worker.poll() is None:
            worker.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    for worker in workers:
        try:
            worker.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()

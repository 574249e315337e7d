"""Worker processes: the same command again, marked as a worker by its environment."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from hydra.errors import HydraException
from optuna.trial import TrialState

from optuna_sweep.study import Study
from optuna_sweep.trial import WORKER, is_worker

STOP_SECONDS = 12.0  # for a worker to end its trial in order
POLL_SECONDS = 0.25


def supervise(study: Study, count: int, directory: Path, update: Callable[[], None]) -> None:
    """Have so many processes run trials until none is left. A worker that dies is replaced, and its trial run again.

    Args:
        directory: for what the workers print.
        update: called now and then.

    Raises:
        HydraException: a worker ended with an error of its own, as its successor would.
    """
    directory.mkdir(parents=True, exist_ok=True)
    workers: dict[int, subprocess.Popen[bytes]] = {}
    deaths = 0
    study.recover()
    try:
        while True:
            for number in range(1, count + 1):
                if number in workers and (code := workers[number].poll()):
                    del workers[number]
                    deaths = 0 if _recover_trials_of(study, number, code, directory) else deaths + 1
                    if deaths > study.max_retries:
                        raise HydraException(f"worker {number} was killed by signal {-code} before it began a trial")
                if number not in workers and (study.trials(TrialState.WAITING) or study.is_unclear()):
                    workers[number] = _start(number, directory)
            if all(worker.poll() == 0 for worker in workers.values()):
                return
            update()
            time.sleep(POLL_SECONDS)
    finally:
        _stop(list(workers.values()))
        study.recover()
        update()


def _recover_trials_of(study: Study, number: int, code: int, directory: Path) -> bool:
    """Have the trial of a dead worker wait again. Whether it had one."""
    if code > 0:
        raise HydraException(f"worker {number} ended with exit code {code}: see {_log(number, directory)}")
    return bool(study.recover())


def _start(number: int, directory: Path) -> "subprocess.Popen[bytes]":
    with _log(number, directory).open("ab") as output:
        return subprocess.Popen(
            [sys.executable, *sys.orig_argv[1:]],
            env=os.environ | {WORKER: str(os.getpid())},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for this process, which then ends them in order
        )


def _log(number: int, directory: Path) -> Path:
    return directory / f"worker-{number}.log"


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


def began() -> float:
    """When the sweep was, in seconds since 1970: of a worker, the process that started it."""
    return psutil.Process(int(os.environ[WORKER])).create_time() if is_worker() else time.time()


def end_with_supervisor() -> None:
    """Have this worker stop in order when the process that started it is gone, however it went."""
    supervisor = int(os.environ[WORKER])

    def watch() -> None:
        while os.getppid() == supervisor:
            time.sleep(POLL_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def terminable() -> Iterator[None]:
    """Where nobody handles SIGTERM, it ends the sweep as Ctrl-C does: the running trial is given back."""
    is_main = threading.current_thread() is threading.main_thread()
    unhandled = is_main and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL

    def stop(*_: object) -> None:
        raise SystemExit(143)

    if unhandled:
        signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        if unhandled:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

"""Worker processes: the same command again, marked as a worker by an environment variable."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
from hydra.errors import HydraException
from optuna.trial import TrialState

from optuna_sweep.process_identity import WORKER
from optuna_sweep.study import Study
from optuna_sweep.trial import is_worker

STOP_SECONDS = 12.0  # for a worker to requeue its trial and exit
POLL_SECONDS = 0.25  # between two looks at the workers, or at the supervisor
SHARED_POLL_SECONDS = 1.0  # between two looks at a study on which other machines work


def supervise(study: Study, count: int, directory: Path, update: Callable[[], None]) -> None:
    """Run worker processes until no trial is left, replacing those that die.

    Args:
        study: its rows are all there.
        count: how many workers run at once.
        directory: for ``worker-N.log``, what worker N prints.
        update: called every ``POLL_SECONDS``, and at the end.

    Raises:
        HydraException: a worker ended with an error of its own, as its successor would, or several in a row were killed
            before they began a trial.
    """
    directory.mkdir(parents=True, exist_ok=True)
    workers: dict[int, subprocess.Popen[bytes]] = {}
    deaths = 0
    study.leases.recover()
    try:
        while True:
            for number in range(1, count + 1):
                if number in workers and (code := workers[number].poll()):
                    del workers[number]
                    deaths = 0 if _recover_trials_of(study, number, code, directory) else deaths + 1
                    if deaths > study.leases.max_retries:
                        raise HydraException(f"worker {number} was killed by signal {-code} before it began a trial")
                if number not in workers and _has_work(study):
                    workers[number] = _start(number, directory)
                    _give_cores(workers[number].pid, number, count if study.is_shared else 1)
            if all(worker.poll() == 0 for worker in workers.values()) and not _await_others(study):
                return
            update()
            time.sleep(SHARED_POLL_SECONDS if study.is_shared else POLL_SECONDS)
    except BaseException:
        study.hurry()
        raise
    finally:
        _stop(list(workers.values()))
        with suppress(HydraException):  # the storage is away, which the command ends by
            study.leases.recover()
            update()


def _await_others(study: Study) -> bool:
    """Recover the trials of a shared study whose workers died elsewhere; return whether some run still."""
    if not study.is_shared:
        return False
    study.leases.recover()
    return bool(study.trials(TrialState.RUNNING))


def _has_work(study: Study) -> bool:
    """Return whether a trial waits, or may soon wait again."""
    return bool(study.trials(TrialState.WAITING)) or study.awaits_others()


def _recover_trials_of(study: Study, number: int, code: int, directory: Path) -> bool:
    """Recover the trial of a worker that was killed; return whether it had one.

    Raises:
        HydraException: the worker was not killed, but ended with an error.
    """
    if code > 0:
        log = _log(number, directory)
        *_, last = ["", *log.read_text(encoding="utf-8", errors="replace").splitlines()]
        raise HydraException(f"worker {number} ended with exit code {code}: {last}; see {log}")
    return bool(study.leases.recover())


def _start(number: int, directory: Path) -> "subprocess.Popen[bytes]":
    with _log(number, directory).open("ab") as output:
        return subprocess.Popen(
            [sys.executable, *sys.orig_argv[1:]],
            env=os.environ | {WORKER: str(os.getpid())},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C goes to this process alone, which then stops the workers
        )


def _give_cores(pid: int, number: int, count: int) -> None:
    """Give one of several workers its share of this process's cores, so that it starts no more threads than it has.

    One that shares them with nobody keeps them all.
    """
    if count == 1:
        return
    cores = sorted(os.sched_getaffinity(0))
    own = cores[number - 1 :: count] if count <= len(cores) else [cores[(number - 1) % len(cores)]]
    with suppress(OSError):  # it has just ended, or may not
        os.sched_setaffinity(pid, own)


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


def sweep_start_seconds() -> float:
    """Return when the sweep began, in seconds since 1970: for a worker, when its supervisor was started."""
    return psutil.Process(int(os.environ[WORKER])).create_time() if is_worker() else time.time()


def end_with_supervisor() -> None:
    """Have this worker receive SIGTERM when its supervisor is gone, however it ended."""
    supervisor = int(os.environ[WORKER])

    def watch() -> None:
        while os.getppid() == supervisor:
            time.sleep(POLL_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()

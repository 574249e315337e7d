"""Which process does a piece of work, and whether it still lives, as far as can be told from here."""

import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import psutil

WORKER = "HYDRA_OPTUNA_WORKER"  # environment variable of worker processes: their supervisor's process id


@dataclass(frozen=True)
class ProcessIdentity:
    """What tells a process from every other one.

    Args:
        host: the scope of process ids, as ``machine`` returns it.
        pid: the process' id.
        began: when it was created, seconds since 1970; ids are given again.
    """

    host: str
    pid: int
    began: float

    def is_alive(self) -> bool | None:
        """Return whether the process runs; None if it is in another scope, of which nothing is known here."""
        if self.host != machine():
            return None
        try:
            process = psutil.Process(self.pid)
            return abs(process.create_time() - self.began) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


def this_process() -> ProcessIdentity:
    """Return the identity of this process."""
    process = psutil.Process()
    return ProcessIdentity(machine(), process.pid, process.create_time())


def supervisor_name() -> str:
    """Return a name of the command that this process belongs to: of itself, or of the worker's supervisor."""
    return f"{machine()} {os.environ.get(WORKER) or os.getpid()}"


@lru_cache(maxsize=1)
def machine() -> str:
    """Return the scope of process ids: host, its boot and process namespace, since containers may share a host name."""
    scope = [socket.gethostname()]
    with suppress(OSError):
        scope.append(str(Path("/proc/self/ns/pid").readlink()))
    with suppress(OSError):
        scope.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    return " ".join(scope)

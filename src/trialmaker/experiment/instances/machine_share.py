"""What this machine gives to a study that instances share: an address, and worker processes."""

import socket

from trialmaker.platform.addresses import is_ip
from trialmaker.platform.cores import usable_cores
from trialmaker.platform.memory import free_memory

WORKER_BYTES = 1_200_000_000  # which a process that trains takes


def worker_count(n_trials: int) -> int:
    """Return how many worker processes this machine carries, by cores and memory; no more than there are trials."""
    return max(1, min(usable_cores(), free_memory() // WORKER_BYTES, n_trials))


def listening_host(host: str) -> str:
    """Return an instance's address, if it is this machine's; else all of them, as behind a router.

    A machine may know its own host name as its loopback address, where the others cannot reach it.
    """
    if not is_ip(host):
        return "0.0.0.0"
    try:
        family, kind, _, _, place = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.bind(place)
    except OSError:
        return "0.0.0.0"
    return host

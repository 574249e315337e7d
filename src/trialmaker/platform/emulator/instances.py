"""What tells the instances of a rehearsed job apart: their ports, and their shares of this machine's cores."""

import json
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

FIRST_PORT = 10100  # below those that the kernel gives to connections
BLOCKS = 200  # of ports that jobs at the same time may have, PORTS_A_BLOCK each
PORTS_A_BLOCK = 100
PORTS_AN_INSTANCE = 10  # the address's own, and those after it
HOST = "127.0.0.1"


def write_resource_files(roots: Sequence[Path]) -> None:
    """Write a ``config/resource.json`` for each instance: all addresses, and which one it is.

    The platform does not document the file's form. Here all have the same address, and only the index tells them apart.
    """
    addresses = [{"ip": HOST, "port": port} for port in free_ports(len(roots))]
    for index, root in enumerate(roots):
        content = json.dumps({"instances": addresses, "index": index}, indent=2)
        (root / "config" / "resource.json").write_text(content + "\n", encoding="utf-8")


def free_ports(count: int) -> list[int]:
    """Return a port for each instance; the next ``PORTS_AN_INSTANCE - 1`` after it are its own, too.

    Nobody listens on it or on the one after it. Jobs that begin at the same time look at different ports first.
    """
    blocks = [FIRST_PORT + (os.getpid() + number) % BLOCKS * PORTS_A_BLOCK for number in range(BLOCKS)]
    candidates = [list(range(first, first + count * PORTS_AN_INSTANCE, PORTS_AN_INSTANCE)) for first in blocks]
    return next((ports for ports in candidates if all(map(_is_free, ports))), candidates[0])


def _is_free(port: int) -> bool:
    try:
        for number in (port, port + 1):
            with socket.socket() as one:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                one.bind((HOST, number))
    except OSError:
        return False
    return True


def core_shares(count: int) -> list[set[int]]:
    """Return the cores of each instance: those that this process may use, shared out, and at least one each."""
    cores = sorted(os.sched_getaffinity(0))
    return [set(cores[index::count]) or {cores[index % len(cores)]} for index in range(count)]


@contextmanager
def on_cores(cores: set[int]) -> Iterator[None]:
    """Let what this thread starts within the context use only such cores."""
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, own)

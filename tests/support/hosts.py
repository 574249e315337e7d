"""Machines on a network of their own: a network namespace each, on one switch, whose links a test can cut and limit."""

import itertools
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

PREFIX = "tm"  # of the namespaces' names: tm-<process id>-<number of the network>-<host>
NUMBERS = itertools.count()
# gives the machine its host name; each word is run in place of the one before, so that the process is the command's
SHELL = ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"']


@dataclass(frozen=True)
class Host:
    """A machine: its address on the network, its host name, and the namespace that it is."""

    index: int
    address: str
    name: str
    namespace: str
    switch: str

    def words(self, *words: str) -> list[str]:
        """Return the command line that runs another one on this machine, as the same process."""
        return ["ip", "netns", "exec", self.namespace, *SHELL, self.name, *words]

    def popen(
        self, *words: str, environment: Mapping[str, str] | None = None, **options: Any
    ) -> "subprocess.Popen[str]":
        """Start a command on this machine: ``pid`` is that of the command itself. It is killed with the network."""
        env = os.environ | (environment or {})
        return subprocess.Popen(self.words(*words), env=env, text=True, **options)

    def run(self, *words: str, **options: Any) -> "subprocess.CompletedProcess[str]":
        """Run a command on this machine to its end."""
        return subprocess.run(self.words(*words), text=True, capture_output=True, **options)

    def cut(self) -> None:
        """Pull the cable: what the others send is lost, and nobody is told."""
        _ip("-n", self.switch, "link", "set", f"port{self.index}", "down")

    def restore(self) -> None:
        """Plug the cable in again."""
        _ip("-n", self.switch, "link", "set", f"port{self.index}", "up")

    def limit(self, rate: str) -> None:
        """Limit what this machine sends, in the words of ``tc``: "100mbit"."""
        words = f"tc qdisc replace dev eth0 root tbf rate {rate} burst 256kb latency 200ms"
        _execute("ip", "netns", "exec", self.namespace, *words.split())

    def process_ids(self) -> list[int]:
        """Return all processes that run on this machine."""
        return [int(word) for word in _ip("netns", "pids", self.namespace).split()]

    def kill_all(self) -> None:
        """Kill all that runs on this machine, as a power cut does."""
        for process_id in self.process_ids():
            with suppress(ProcessLookupError):
                os.kill(process_id, signal.SIGKILL)


@contextmanager
def network(count: int) -> Iterator[list[Host]]:
    """Make ``count`` machines with the addresses 10.77.0.1, 10.77.0.2, …, on one switch; remove them in the end.

    The test is skipped where this machine does not let it have them. Nothing of it can be reached from this machine's
    own network: the switch is in a namespace too. Loopback is each machine's own.
    """
    if reason := hosts_obstacle():
        pytest.skip(f"needs network namespaces: {reason}")
    with _network(count) as hosts:
        yield hosts


@cache
def hosts_obstacle() -> str:
    """Return why there can be no such network; "" where there can."""
    try:
        _remove_abandoned()
        with _network(1) as [host]:
            host.cut()
            host.restore()
            done = host.run("hostname")
    except (OSError, subprocess.CalledProcessError) as error:
        return (getattr(error, "stderr", "") or str(error)).strip()
    return "" if done.stdout.strip() == host.name else done.stderr.strip() or "a machine has no name of its own"


@contextmanager
def _network(count: int) -> Iterator[list[Host]]:
    base = f"{PREFIX}-{os.getpid()}-{next(NUMBERS)}"
    switch = f"{base}-switch"
    hosts = [Host(i, f"10.77.0.{i + 1}", f"host-{i + 1}", f"{base}-{i + 1}", switch) for i in range(count)]
    try:
        _ip("netns", "add", switch)
        _ip("-n", switch, "link", "add", "bridge", "type", "bridge")
        _ip("-n", switch, "link", "set", "bridge", "up")
        for host in hosts:
            _connect(host)
        yield hosts
    finally:
        for host in hosts:
            _remove(host.namespace)
        _remove(switch)


def _connect(host: Host) -> None:
    port, name = f"port{host.index}", host.namespace
    _ip("netns", "add", name)
    _ip("-n", host.switch, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", name)
    _ip("-n", host.switch, "link", "set", port, "master", "bridge", "up")
    _ip("-n", name, "address", "add", f"{host.address}/24", "dev", "eth0")
    for link in ("lo", "eth0"):
        _ip("-n", name, "link", "set", link, "up")


def _remove(namespace: str) -> None:
    """Kill what runs in a namespace, and remove it with its links."""
    deadline = time.monotonic() + 5
    with suppress(subprocess.CalledProcessError):  # there is none
        while (left := _ip("netns", "pids", namespace).split()) and time.monotonic() < deadline:
            for process_id in left:
                with suppress(ProcessLookupError):
                    os.kill(int(process_id), signal.SIGKILL)
            time.sleep(0.02)
        _ip("netns", "delete", namespace)


def _remove_abandoned() -> None:
    """Remove the networks of tests that were killed."""
    for line in _ip("netns", "list").splitlines():
        name = line.split()[0]
        words = name.split("-")
        if words[0] == PREFIX and words[1:2] and words[1].isdecimal() and not Path("/proc", words[1]).exists():
            _remove(name)


def _ip(*words: str) -> str:
    return _execute("ip", *words)


def _execute(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout

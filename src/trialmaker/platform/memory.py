"""Memory that this process may use: of the machine, of the container, and by its own limit."""

import os
import re
import resource
from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
# Limit and use, of control groups of version 2 and 1.
LIMIT_AND_USE = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))


def memory_limit() -> int:
    """Return how many bytes this container may use in all."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([physical, *(limit for limit, _ in _container_limits())])


def free_memory() -> int:
    """Return how many bytes this process can still allocate; what the kernel would drop for it counts as free."""
    machine = _numbers(Path("/proc/meminfo"))
    rooms = [limit - used for limit, used in _container_limits()]
    if "MemAvailable" in machine:
        rooms.append(1024 * (machine["MemAvailable"] + machine.get("SwapFree", 0)))
    soft_limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if soft_limit != resource.RLIM_INFINITY:
        rooms.append(soft_limit - 1024 * _numbers(Path("/proc/self/status")).get("VmSize", 0))
    return max(0, min(rooms)) if rooms else memory_limit()


def reachable_memory() -> int:
    """Return how many bytes this process can have in all: what it holds, and what it can still allocate."""
    return free_memory() + 1024 * _numbers(Path("/proc/self/status")).get("VmRSS", 0)


def _container_limits() -> Iterator[tuple[int, int]]:
    """Yield (limit, used bytes) of each control group around this process that limits memory."""
    for folder in _control_groups():
        for names in LIMIT_AND_USE:
            limit, used = (_text(folder / name).strip() for name in names)
            if limit.isdecimal() and used.isdecimal():
                yield int(limit), int(used) - _file_cache(folder)


def _control_groups() -> set[Path]:
    """Return the folders of the control groups around this process, some of which may not be there.

    In a container the paths in ``/proc`` may be those of the host, and the roots are the container's own groups.
    """
    roots = (CGROUPS, CGROUPS / "memory")  # of version 2, of version 1
    paths = {line.split(":", 2)[2].strip("/") for line in _text(Path("/proc/self/cgroup")).splitlines()}
    groups = {root / path for root in roots for path in paths} | set(roots)
    return {around for group in groups for around in (group, *group.parents) if around.is_relative_to(CGROUPS)}


def _file_cache(folder: Path) -> int:
    """Return the bytes of a control group's page cache, which counts as used and is dropped when memory is short."""
    numbers = _numbers(folder / "memory.stat")
    return sum(numbers.get(f"total_{name}", numbers.get(name, 0)) for name in ("inactive_file", "active_file"))


def _numbers(path: Path) -> dict[str, int]:
    """Return the numbers of a file of lines such as ``MemTotal:  1024 kB``, by name."""
    return {name: int(value) for name, value in re.findall(r"^(\w+):?\s+(\d+)", _text(path), re.MULTILINE)}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""

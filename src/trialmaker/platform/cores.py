"""The processor cores that this process may use, also where a container's limit is one of time."""

import os
from pathlib import Path

CPU_QUOTAS = (  # files of control groups of version 2, and 1: the microseconds of a period, and the period
    (Path("/sys/fs/cgroup/cpu.max"),),
    (Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"), Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us")),
)


def usable_cores() -> int:
    """Return how many cores this process may keep busy, at least 1."""
    cores = len(os.sched_getaffinity(0))
    return max(1, min([cores, *(int(quota / period) for quota, period in _quotas())]))


def _quotas() -> list[tuple[int, int]]:
    quotas = []
    for files in CPU_QUOTAS:
        try:
            words = " ".join(file.read_text(encoding="utf-8") for file in files).split()
        except OSError:
            continue
        if len(words) == 2 and all(map(str.isdecimal, words)) and int(words[1]):
            quotas.append((int(words[0]), int(words[1])))
    return quotas

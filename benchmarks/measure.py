"""Ratios of durations that were measured in turn, so that a noisy machine treats all alike."""

import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT / "src"))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def mnist() -> Path:
    """The folder of the MNIST files: TRIALMAKER_MNIST, or the workspace's data directory."""
    return Path(os.environ.get("TRIALMAKER_MNIST") or PROJECT / "workspace" / "input" / "data").resolve()


def alternate(tasks: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, list[float]]:
    """Seconds of each task in each round; every round runs each task once."""
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            began = time.perf_counter()
            task()
            seconds[name].append(time.perf_counter() - began)
    return seconds


def report(seconds: Mapping[str, list[float]], ours: str) -> None:
    """A line for each task: median and range, and how many times the time of ours it takes, round by round."""
    for name, values in seconds.items():
        ratios = [value / own for value, own in zip(values, seconds[ours], strict=True)]
        print(
            f"{name:<44} {statistics.median(values):8.3f} s ({min(values):.3f} to {max(values):.3f})"
            f"   {statistics.median(ratios):6.2f} x ours ({min(ratios):.2f} to {max(ratios):.2f})",
            flush=True,
        )

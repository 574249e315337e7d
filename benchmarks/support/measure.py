"""Durations of alternating tasks and their ratios, so that a noisy machine treats all tasks alike.

Importing this makes ``src/`` importable and TensorFlow quiet: import it before TensorFlow and the project's packages.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "src"))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def mnist() -> Path:
    """Return the folder of the MNIST files: TRIALMAKER_MNIST, or the workspace's data directory."""
    return Path(os.environ.get("TRIALMAKER_MNIST") or PROJECT / "workspace" / "input" / "data").resolve()


def alternate(
    tasks: Mapping[str, Callable[[], object]], *, rounds: int, pause_seconds: float = 0.0
) -> dict[str, list[float]]:
    """Run each task once a round, each after a pause; return the seconds of each task, round by round."""
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            time.sleep(pause_seconds)
            start = time.perf_counter()
            task()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def report(seconds: Mapping[str, list[float]], baseline: str) -> None:
    """Print a line for each task: median and range in seconds, and as multiples of the baseline, round by round."""
    for name, values in seconds.items():
        ratios = [value / own for value, own in zip(values, seconds[baseline], strict=True)]
        print(
            f"{name:<44} {statistics.median(values):8.3f} s ({min(values):.3f} to {max(values):.3f})"
            f"   {statistics.median(ratios):6.2f} x {baseline} ({min(ratios):.2f} to {max(ratios):.2f})",
            flush=True,
        )

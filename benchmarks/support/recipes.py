"""Trainings of recorded recipes by the real command, and what they took and reached."""

import os
import sqlite3
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from support.measure import PROJECT, mnist
from support.peer import run_timed
from trialmaker.platform.run_result import run_results


@dataclass(frozen=True)
class Training:
    """A training that is over.

    Attributes:
        seconds: of its loop, compilation included.
        command_seconds: of the whole command, from its start to its end.
        accuracy: on the test split, in [0, 1].
    """

    seconds: float
    command_seconds: float
    accuracy: float


def train(recipe: str, seed: int, overrides: Sequence[str] = ()) -> Training:
    """Train a recipe of ``conf/experiment`` in a workspace of its own, which is removed."""
    command = [sys.executable, "train.py", f"experiment={recipe}", f"seed={seed}", *overrides]
    command += [f"data.directory={mnist()}"] if recipe.startswith("mnist") else []
    with tempfile.TemporaryDirectory() as root:
        command_seconds, _ = run_timed(command, PROJECT, {"AI_ROOT": root, "PYTHONPATH": str(PROJECT / "src")})
        output = Path(root, "output")
        ((_, result),) = run_results(output)
        return Training(_loop_seconds(output), command_seconds, result.test_metrics["test_accuracy"])


def _loop_seconds(output: Path) -> float:
    """Return the sum of the epochs' seconds in the MLflow store of an output with one run."""
    with closing(sqlite3.connect(output / "mlflow.db")) as store:
        ((seconds,),) = store.execute("select sum(value) from metrics where key = 'seconds'")
    return float(seconds)


def threads() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))

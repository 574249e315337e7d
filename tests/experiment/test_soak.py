"""A short ``make soak``: what is killed, or runs out of space, ends as what was left alone; and the check can fail."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soak.disk.disk import COMPILER, environment
from soak.kills import RUN_TARGETS, Plan
from soak.pictures import Picture, differences
from soak.rounds import Command, Round, play

TINY = ("data=digits", "training.max_examples=256", "training.batch_size=32", "training.epochs=150", "name=soak")
TINY += ("model.hidden_units=[8]", "model.dropout_rate=0.2", "optimizer=adamw", "schedule=cosine", "augment=shift")
TINY += ("training.log_every_steps=4", "tracking.system_metrics_seconds=0.2", "checkpoint.every_seconds=0.05")


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """A run that may end before the tracking process has begun to sample the machine's metrics."""
    return Command("run", TINY, RUN_TARGETS, tmp_path_factory.mktemp("soak"), has_system=False)


@pytest.fixture(scope="module")
def reference(command: Command) -> Round:
    """The run that nothing interrupts."""
    played = play(command, "reference", [], None)
    assert played.differences == [], played.attempts[-1].err
    return played


def test_a_killed_run_ends_as_the_one_that_was_left_alone(command: Command, reference: Round) -> None:
    """The run is killed with all of its processes; then the tracking process of the one that goes on."""
    plans = [
        Plan("group", phase="checkpoint", visit=2, delay=0.01, seen_by="trainer"),
        Plan("tracker", phase="tracking", visit=4, delay=0.05, seen_by="tracker"),
    ]
    played = play(command, "kills", plans, reference.picture)
    assert played.differences == []
    assert [kill.plan for kill in played.kills] == plans
    assert all(kill.plan.phase in kill.phases for kill in played.kills)
    assert [len(attempt.kills) for attempt in played.attempts] == [1, 1]


def lose_a_metric(picture: Picture) -> None:
    picture["mlflow.db metrics"] = picture["mlflow.db metrics"][1:]


def record_a_metric_twice(picture: Picture) -> None:
    picture["mlflow.db metrics"] = [*picture["mlflow.db metrics"], picture["mlflow.db metrics"][0]]


def repeat_a_line(picture: Picture) -> None:
    picture["standard output"] = [*picture["standard output"], picture["standard output"][-1]]


def exchange_lines(picture: Picture) -> None:
    first, second, *rest = picture["standard output"]
    picture["standard output"] = [second, first, *rest]


def change_a_bit(picture: Picture) -> None:
    name = next(name for name, value in picture.items() if name.startswith("model model/") and value.ndim == 2)
    changed: np.ndarray = picture[name].copy()
    changed.view(np.uint8).flat[0] ^= 1
    picture[name] = changed


def leave_a_file(picture: Picture) -> None:
    picture["names of files"] = [*picture["names of files"], "model/.half/saved_model.pb"]


@pytest.mark.parametrize(
    "spoil", [lose_a_metric, record_a_metric_twice, repeat_a_line, exchange_lines, change_a_bit, leave_a_file]
)
def test_the_comparison_sees_each_loss(reference: Round, spoil: Callable[[dict[str, Any]], None]) -> None:
    spoilt = dict(reference.picture)
    spoil(spoilt)
    (line,) = differences(reference.picture, spoilt)
    assert line


@pytest.mark.skipif(COMPILER is None, reason="needs a C compiler, for what makes writes fail")
def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    words = [
        "-m",
        "soak.disk",
        "--folder",
        str(tmp_path),
        "--sites",
        "a later checkpoint",
        "best.json",
        "the journal's start",
    ]
    done = subprocess.run(
        [sys.executable, *words], env=environment(tmp_path), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("as it should be") == 3

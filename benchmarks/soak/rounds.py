"""Rounds: the same command, killed and started again, until it has ended; then its output beside the reference's."""

import json
import os
import random
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from soak.kills import PHASES, RUN_TARGETS, SWEEP_TARGETS, Attempt, Kill, Plan, attempt
from soak.pictures import Picture, differences, picture

PROJECT = Path(__file__).resolve().parents[2]
MOST_ATTEMPTS = 12
SETTLE_SECONDS = 60.0  # for processes that outlive the trainer to end
COMMON = shlex.split(
    "data=digits objective=val_loss direction=minimize model.hidden_units=[64,32] model.dropout_rate=0.2"
    " model.batch_norm=true optimizer=adamw schedule=cosine augment=shift training.batch_size=32"
    " training.log_every_steps=25 tracking.system_metrics_seconds=1.0 name=soak"
)
RUN = (*COMMON, "training.epochs=150")
SWEEP = (
    *COMMON,
    *shlex.split(
        "training.epochs=30 hydra.mode=MULTIRUN hydra/sweeper=optuna hydra.sweeper.study_name=soak"
        " hydra.sweeper.n_trials=6 hydra.sweeper.n_jobs=2 hydra/sweeper/sampler=random hydra.sweeper.sampler.seed=3"
        " hydra.sweeper.direction=minimize hydra/sweeper/pruner=none"
        " 'hydra.sweeper.storage=${output}/studies/soak.log'"
        " 'optimizer.learning_rate=tag(log, interval(1e-4, 1e-2))'"
    ),
)
CHECKPOINTS = ("checkpoint.every_seconds=0.2",)


@dataclass(frozen=True)
class Command:
    """What is soaked.

    Args:
        name: of it, for people.
        arguments: of ``train.py``.
        targets: what may be killed.
        root: a folder for all rounds.
        has_system: whether it lasts long enough for each of the machine's metrics.
    """

    name: str
    arguments: Sequence[str]
    targets: Sequence[str]
    root: Path
    has_system: bool = True

    @property
    def words(self) -> list[str]:
        """Return the command line."""
        return [sys.executable, str(PROJECT / "train.py"), *self.arguments]


@dataclass
class Round:
    """The attempts of one round, and in what its output differs from the reference's."""

    root: Path
    attempts: list[Attempt] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    picture: Picture = field(default_factory=dict)

    @property
    def kills(self) -> list[Kill]:
        """Return the kills of all attempts."""
        return [kill for one in self.attempts for kill in one.kills]


def run_command(root: Path) -> Command:
    """Return the command of one run."""
    return Command("run", [*RUN, *checkpoint_arguments()], RUN_TARGETS, root / "run")


def sweep_command(root: Path) -> Command:
    """Return the command of a sweep of two workers, whose trials' parameters depend on their numbers alone."""
    return Command("sweep", [*SWEEP, *checkpoint_arguments()], SWEEP_TARGETS, root / "sweep")


def checkpoint_arguments() -> Sequence[str]:
    """Return the field of how often to write a checkpoint, where there is one."""
    return CHECKPOINTS if (PROJECT / "conf" / "config.yaml").read_text().find("every_seconds") >= 0 else ()


def play(command: Command, name: str, plans: Sequence[Plan], reference: Picture | None) -> Round:
    """Start the command, kill it as planned, start it again, until it has ended by itself; compare what it left.

    Args:
        name: of the round's folder; new.
        plans: the kills, in order; those that come after the command's end are not made.
        reference: None for the round that is the reference.
    """
    root, rest = command.root / name / "root", list(plans)
    root.mkdir(parents=True)
    result = Round(root)
    while len(result.attempts) < MOST_ATTEMPTS:
        folder = command.root / name / f"attempt-{len(result.attempts) + 1}"
        result.attempts.append(attempt(command.words, root=root, folder=folder, plans=rest))
        last = result.attempts[-1]
        if last.code == 0 or (last.code < 0 and _is_finished(root)):
            break
        if last.code > 0:
            result.differences.append(f"attempt {len(result.attempts)} ended with exit code {last.code}: {last.err}")
            return result
    else:
        result.differences.append(f"still not finished after {MOST_ATTEMPTS} attempts")
        return result
    result.differences += _wait_for_processes(command.root / name)
    if last.code < 0:
        result.differences += _deliver(root)
    try:
        result.picture = picture(root, "".join(one.out for one in result.attempts), has_system=command.has_system)
    except Exception as error:  # what is unreadable is a difference
        result.differences.append(f"the output cannot be read: {type(error).__name__}: {error}")
        return result
    if reference is not None:
        result.differences += differences(reference, result.picture)
    return result


def _deliver(root: Path) -> list[str]:
    """Bring MLflow what it lacks of a run that was killed when it had finished; return what is wrong with that."""
    words = [sys.executable, "-m", "trialmaker", "sync", str(root / "output")]
    environment = os.environ | {"PYTHONPATH": str(PROJECT / "src")}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=120, check=False)
    return [f"sync: exit code {done.returncode}: {done.stderr}"] if done.returncode else []


def _is_finished(root: Path) -> bool:
    """Return whether the run says that it has finished: a kill after that has nothing to take up again."""
    for path in root.glob("output/logs/*/result.json"):
        if json.loads(path.read_text()).get("status") == "finished":
            return True
    return False


def _wait_for_processes(folder: Path) -> list[str]:
    """Wait for tracking processes and workers that outlived their parent; return a line if they do not end."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < deadline:
        pids = [int(path.name.partition("-")[2]) for path in folder.glob("attempt-*/*-[0-9]*")]
        if not (alive := [pid for pid in pids if _is_of_soak(pid)]):
            return []
        time.sleep(0.1)
    return [f"processes still run {SETTLE_SECONDS:.0f} s after the end: {alive}"]


def _is_of_soak(pid: int) -> bool:
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and "TRIALMAKER_SOAK_DIRECTORY" in process.environ()
    except psutil.Error:
        return False


def random_plans(command: Command, source: random.Random, seconds: float) -> list[Plan]:
    """Return kills of random targets at random instants of a command that lasts so many seconds."""
    plans: list[Plan] = []
    for _ in range(source.choice((1, 1, 2, 2, 3))):
        start = 0.05 if not plans or plans[-1].ends_command else 0.0
        plans.append(Plan(source.choice(command.targets), source.uniform(start, seconds), seed=source.randrange(1000)))
    return plans


def targeted_plans(command: Command, source: random.Random, phase: str, target: str) -> list[Plan]:
    """Return a kill in a phase, and, half of the times, one before it that a phase before took."""
    is_of_sweep = command.targets is SWEEP_TARGETS
    trainer = "worker" if is_of_sweep else "trainer"
    seen_by = "tracker" if phase == "tracking" else trainer
    visits = {"start": 1, "end": 1, "checkpoint": 6, "publish": 2 if is_of_sweep else 6, "tracking": 12}.get(phase, 60)
    delays = {"start": 3.0, "end": 0.8, "step": 0.01, "validation": 0.003, "checkpoint": 0.01}
    plan = Plan(
        target,
        phase=phase,
        visit=source.randint(1, visits),
        delay=delays.get(phase, 0.1),
        seen_by=seen_by,
        seed=source.randrange(1000),
    )
    return [plan]


def rarest(command: Command, rounds: Sequence[Round]) -> tuple[str, str]:
    """Return the phase that was hit least so far, and the target that was hit least in it."""
    counts = count(command, rounds)
    totals = {phase: sum(counts[phase, target] for target in command.targets) for phase in PHASES}
    return min(counts, key=lambda cell: (totals[cell[0]], counts[cell]))


def count(command: Command, rounds: Sequence[Round]) -> dict[tuple[str, str], int]:
    """Return how many kills of each target fell into each phase; one of several phases counts in each."""
    counts = {(phase, target): 0 for phase in PHASES for target in command.targets}
    for one in rounds:
        for kill in one.kills:
            for phase in kill.phases:
                if (phase, kill.plan.target) in counts:
                    counts[phase, kill.plan.target] += 1
    return counts


def remove(one: Round) -> None:
    """Remove what a round left."""
    shutil.rmtree(one.root.parent, ignore_errors=True)

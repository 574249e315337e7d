"""How the trials per minute of a study grow with the instances that share it, a worker on a core each.

python benchmarks/shared_study.py [--instances 2] [--trials 40] [--rounds 1]   (trials of each instance)

Instances on this machine, each with a core of its own. In each round, in turn: one study on one core; as many studies
on as many cores at once, which share nothing, for what the machine itself loses to shared memory and clocks; one study
that as many instances share. Each trial trains the same MLP for the same epochs. Rates are of the time in which all
work, after the first trial of each, so that imports are left out; CPU seconds a trial are of that time, too. A round
takes two minutes and a half on idle cores.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from support.measure import PROJECT
from support.options import options

# isort: split
from optuna import load_study

from optuna_sweep.attributes import OWNER
from optuna_sweep.process_identity import WORKER
from optuna_sweep.storage import open_storage

PORTS = 24_800
SAMPLE_SECONDS = 0.5  # between two looks at the processes
WORDS = (
    *("sweeps=mlp", "data=digits", "training.epochs=60", "model.hidden_units=[256,256]"),
    *("hydra/sweeper/pruner=none", "hydra/sweeper/sampler=random", "hydra.sweeper.n_jobs=1"),
)


@dataclass
class Processors:
    """What the processes of some commands have used of the processors, by their part.

    Args:
        commands: the process ids of the commands.
    """

    commands: Sequence[int]
    samples: list[tuple[float, dict[tuple[str, int], float]]] = field(default_factory=list)

    def watch(self, is_over: threading.Event) -> None:
        """Look at the processes again and again."""
        while not is_over.wait(SAMPLE_SECONDS):
            seconds: dict[tuple[str, int], float] = {}
            for index, pid in enumerate(self.commands):
                with suppress(psutil.NoSuchProcess):
                    command = psutil.Process(pid)
                    for process in (command, *command.children(recursive=True)):
                        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                            times, part = process.cpu_times(), _part(process, pid)
                            seconds[f"{part} of {index + 1}", process.pid] = times.user + times.system
            self.samples.append((time.time(), seconds))

    def between(self, start: float, end: float) -> dict[str, float]:
        """Return the seconds by part, from one time to another."""
        inner = [seconds for at, seconds in self.samples if start <= at <= end]
        sums: dict[str, float] = defaultdict(float)
        for (part, pid), seconds in inner[-1].items():
            sums[part] += seconds - inner[0].get((part, pid), 0.0)
        return dict(sums)


def _part(process: psutil.Process, command: int) -> str:
    if process.pid == command:
        return "command"
    return "tracking" if "trialmaker.tracking" in " ".join(process.cmdline()) else "worker"


@dataclass
class Studied:
    """What came of one study, or of several at once: trials per minute, CPU seconds a trial by part."""

    per_minute: float
    seconds: dict[str, float]


def study_alone(count: int, trials: int) -> Studied:
    """Return the rate of so many studies at once, each on a core, which share nothing."""
    return _run(count, trials, None)


def study_shared(count: int, trials: int, port: int) -> Studied:
    """Return the rate of a study over so many instances."""
    return _run(count, trials, port)


def _run(count: int, trials: int, port: int | None) -> Studied:
    with tempfile.TemporaryDirectory() as folder:
        roots = [Path(folder, str(index)) for index in range(count)]
        commands = [_start(root, index, count, trials, port) for index, root in enumerate(roots)]
        processors, is_over = Processors([command.pid for command in commands]), threading.Event()
        watch = threading.Thread(target=processors.watch, args=(is_over,))
        watch.start()
        try:
            codes = [command.wait() for command in commands]
        finally:
            for command in commands:
                command.terminate()  # where another one has failed, or this script is stopped
            is_over.set()
            watch.join()
        assert codes == [0] * count, [(root / "out").read_text()[-2000:] for root in roots]
        ends = _ends_by_process(roots if port is None else roots[:1])
    # while all work: not before each has made a trial, nor once one has made its last
    first, last = max(map(min, ends)), min(map(max, ends))
    trial_count = sum(first < end <= last for one in ends for end in one)
    seconds = processors.between(first, last)
    return Studied(
        60 * trial_count / (last - first), {part: used / trial_count for part, used in sorted(seconds.items())}
    )


def _ends_by_process(roots: Sequence[Path]) -> list[list[float]]:
    """Return when the trials of each process ended that has run some, seconds since 1970."""
    ends: dict[int, list[float]] = defaultdict(list)
    for root in roots:
        place = str(root / "output" / "studies" / "mlp.log")
        for trial in load_study(study_name="mlp_digits", storage=open_storage(place)).get_trials(deepcopy=False):
            if trial.datetime_complete:
                ends[trial.system_attrs[OWNER]["pid"]].append(trial.datetime_complete.timestamp())
    return list(ends.values())


def _start(root: Path, index: int, count: int, trials: int, port: int | None) -> "subprocess.Popen[bytes]":
    (root / "config").mkdir(parents=True)
    if port is not None:
        hosts = [f"127.0.0.1:{port + 10 * one}" for one in range(count)]
        resource = {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}}
        (root / "config" / "resource.json").write_text(json.dumps(resource))
    core = sorted(os.sched_getaffinity(0))[index]
    n_trials = trials if port is None else trials * count
    command = ["taskset", "-c", str(core), sys.executable, "train.py", *WORDS, f"hydra.sweeper.n_trials={n_trials}"]
    environment = {name: value for name, value in os.environ.items() if name != WORKER} | {"AI_ROOT": str(root)}
    with (root / "out").open("wb") as output:
        return subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=output, stderr=output)


def main() -> None:
    """Print the rates and their ratio."""
    args = options(__doc__, instances=2, trials=40, rounds=1)
    count, trials, rounds = args.instances, args.trials, args.rounds
    shares = []
    for turn in range(rounds):
        alone, apart = study_alone(1, trials), study_alone(count, trials)
        shared = study_shared(count, trials, PORTS + 100 * turn)
        ceiling, share = apart.per_minute / alone.per_minute / count, shared.per_minute / alone.per_minute / count
        shares.append(share / ceiling)
        print(f"1 study on 1 core: {alone.per_minute:.0f} trials/min", flush=True)
        print(f"{count} studies that share nothing: {apart.per_minute:.0f}; {ceiling:.2f} of {count} times", flush=True)
        print(f"1 study shared by {count} instances: {shared.per_minute:.0f}; {share:.2f} of {count} times", flush=True)
        for name, one in (("1", alone), (f"{count} studies", apart), ("shared", shared)):
            text = ", ".join(f"{part} {seconds:.3f}" for part, seconds in one.seconds.items())
            print(f"    CPU s/trial, {name}: {text}; all {sum(one.seconds.values()):.3f}", flush=True)
    print(f"of what the machine does with {count} studies: {statistics.median(shares):.2f}")


if __name__ == "__main__":
    main()

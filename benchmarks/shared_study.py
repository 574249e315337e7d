"""How the trials per minute of a study grow with the instances that share it, a worker on a core each.

python benchmarks/shared_study.py [instances] [trials per instance]

Instances on this machine, each with a core of its own: one, then several, in turn, twice. Counted are the trials from
the first end of a trial to the last, so that imports are left out; each trial trains the same MLP for the same epochs.
"""

import json
import os
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path

from optuna import load_study

from support.measure import PROJECT

# isort: split
from optuna_sweep.storage import open_storage

PORTS = 24_800
ROUNDS = 2
WORDS = (
    *("sweeps=mlp", "data=digits", "training.epochs=60", "model.hidden_units=[256,256]"),
    *("hydra/sweeper/pruner=none", "hydra/sweeper/sampler=random", "hydra.sweeper.n_jobs=1"),
)


def trials_per_minute(count: int, trials: int, port: int) -> float:
    """Return the trials per minute of a study over so many instances, from its first end of a trial on."""
    with tempfile.TemporaryDirectory() as folder:
        roots = [Path(folder, str(index)) for index in range(count)]
        commands = [_start(root, index, count, trials, port) for index, root in enumerate(roots)]
        assert [command.wait() for command in commands] == [0] * count
        place = roots[0] / "output" / "studies" / "mlp.log"
        study = load_study(study_name="mlp_digits", storage=open_storage(str(place)))
        ends = sorted(trial.datetime_complete or datetime.max for trial in study.get_trials(deepcopy=False))
    # the last trials of a study leave cores without work: they are no part of the rate
    whole = ends[: len(ends) - count + 1]
    return 60 * (len(whole) - count) / (whole[-1] - whole[count - 1]).total_seconds()


def _start(root: Path, index: int, count: int, trials: int, port: int) -> "subprocess.Popen[bytes]":
    if count > 1:
        (root / "config").mkdir(parents=True)
        hosts = [f"127.0.0.1:{port + 10 * one}" for one in range(count)]
        resource = {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}}
        (root / "config" / "resource.json").write_text(json.dumps(resource))
    core = sorted(os.sched_getaffinity(0))[index]
    command = [sys.executable, "train.py", *WORDS, f"hydra.sweeper.n_trials={trials * count}"]
    process = subprocess.Popen(command, cwd=PROJECT, env=os.environ | {"AI_ROOT": str(root)}, stdout=subprocess.DEVNULL)
    os.sched_setaffinity(process.pid, [core])
    return process


def main() -> None:
    """Print the rates and their ratio."""
    count, trials = (int(word) for word in (*sys.argv[1:], *("2", "15")[len(sys.argv) - 1 :]))
    for turn in range(ROUNDS):
        alone = trials_per_minute(1, trials, PORTS)
        several = trials_per_minute(count, trials, PORTS + 100 * turn)
        share = several / alone / count
        print(f"1 instance: {alone:.0f} trials/min; {count}: {several:.0f}; {share:.2f} of {count} times", flush=True)


if __name__ == "__main__":
    main()

"""How a study grows with its trials: time of a trial, best value, memory, storage.

The trainings are tiny, an epoch of the digits each, so that what is measured is what the study itself costs: the
sampler, Optuna's storage, MLflow, the run directories. A line for the trials up to each of the counts.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from support.measure import PROJECT

COUNTS = (10, 30, 100, 300, 1000)
WORDS = ["sweeps=mlp", "data=digits", "training.epochs=1", "model.hidden_units=[32,32]", "schedule=constant"]
MIB = 2**20


def main() -> None:
    """Run a study; print a line for each count of trials, then what lies in the output."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000, help="default 1000")
    parser.add_argument("--sampler", default="tpe", help="of hydra/sweeper/sampler; default tpe")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        output = Path(root) / "output"
        words = [*WORDS, f"hydra/sweeper/sampler={args.sampler}", f"hydra.sweeper.n_trials={args.trials}"]
        start = time.time()
        samples = sample_memory([sys.executable, "train.py", *words], {"AI_ROOT": root})
        seconds = time.time() - start
        _print_trials(output, [count for count in COUNTS if count < args.trials] + [args.trials], samples)
        print(f"whole command {seconds:.0f} s")
        for place in sorted(output.iterdir()):
            files = [path for path in [place, *place.rglob("*")] if path.is_file()]
            print(f"{place.name:<14} {sum(path.stat().st_size for path in files) / MIB:8.2f} MiB, {len(files)} files")


def sample_memory(command: list[str], variables: dict[str, str]) -> list[tuple[float, float]]:
    """Run a command; return the time of each look at it, with the MiB of its processes then. Exit if it fails."""
    samples = []
    process = psutil.Popen(
        command, cwd=PROJECT, env=os.environ | variables, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    while process.poll() is None:
        samples.append((time.time(), resident(process)))
        time.sleep(1)
    if process.returncode:
        sys.exit(process.stderr.read())
    return samples


def resident(process: psutil.Process) -> float:
    """Return the MiB that a process and its children have to themselves."""
    total = 0
    try:
        for one in [process, *process.children(recursive=True)]:
            total += one.memory_full_info().uss
    except psutil.NoSuchProcess:
        pass
    return total / MIB


def _print_trials(output: Path, counts: list[int], samples: list[tuple[float, float]]) -> None:
    ends, values = read_trials(output / "studies" / "mlp.log")
    for first, last in zip([0, *counts], counts, strict=False):
        gaps = [after - before for before, after in zip(ends[first:last], ends[first + 1 : last], strict=False)]
        memory = max((mib for when, mib in samples if when <= ends[last - 1]), default=0.0)
        print(
            f"trials {first + 1:>4} to {last:>4}: median {statistics.median(gaps):.3f} s a trial,"
            f" 90 % within {sorted(gaps)[int(0.9 * len(gaps))]:.3f} s; best so far {max(values[:last]):.4f};"
            f" {memory:.0f} MiB at most so far",
            flush=True,
        )


def read_trials(journal: Path) -> tuple[list[float], list[float]]:
    """Return when each trial ended and its value, in the order of their numbers, as the journal has them."""
    import optuna
    from optuna.storages.journal import JournalFileBackend

    storage = optuna.storages.JournalStorage(JournalFileBackend(str(journal)))
    study = optuna.load_study(study_name=optuna.get_all_study_names(storage)[0], storage=storage)
    ended = [trial for trial in study.get_trials() if trial.datetime_complete]
    best = [trial.value if trial.value is not None else 0.0 for trial in ended]
    return [trial.datetime_complete.timestamp() for trial in ended if trial.datetime_complete], best


if __name__ == "__main__":
    main()

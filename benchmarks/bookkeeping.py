"""What a study costs beside training, trial by trial: Hydra, Optuna's sampler and storage, MLflow, files.

python benchmarks/bookkeeping.py [--trials N]

First a study of very small models, whose training time is subtracted from the time between the starts of two trials.
Then a task that does nothing, in two processes: no trial may be lost or fail for a lock.
"""

import argparse
import itertools
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import mlflow
import optuna
import psutil

from support.measure import PROJECT
from support.peer import run_timed

# isort: split
from optuna_sweep.storage import open_storage

WINDOW_TRIALS = 50  # before each trial of the report


def study_small_models(root: Path, trials: int) -> None:
    """Print the milliseconds a trial takes beside training, by the number of trials before it, and the memory."""
    overrides = [
        *("sweeps=mlp", "data=digits", "schedule=constant", "model.hidden_units=[16]"),
        *("training.max_examples=128", "training.epochs=1", "training.batch_size=32"),
        *("hydra/sweeper/pruner=none", f"hydra.sweeper.n_trials={trials}"),
    ]
    memory = run_watched([sys.executable, "train.py", *overrides], root)
    early, late = (max(memory[int(len(memory) * a) : int(len(memory) * b)]) for a, b in ((0.1, 0.2), (0.8, 0.9)))
    print(f"memory: {early:.0f} MiB in the second tenth of the study, {late:.0f} MiB in the ninth")
    seconds = seconds_beside_training(root / "output", trials)
    for last in sorted({min(100, trials), trials // 2, trials}):
        window = [value * 1000 for value in seconds[max(0, last - WINDOW_TRIALS) : last]]
        quartiles = statistics.quantiles(window, n=4)
        print(f"trial {last:>5}: {quartiles[1]:.0f} ms beside training ({quartiles[0]:.0f} to {quartiles[2]:.0f})")


def seconds_beside_training(output: Path, trials: int) -> list[float]:
    """Return, for each trial but the last, the seconds until the next one starts, less those of its training."""
    client = mlflow.MlflowClient(f"sqlite:///{output / 'mlflow.db'}")
    runs = client.search_runs(["1"], "tags.`trialmaker.trial` != ''", max_results=trials)
    training = {int(run.data.tags["trialmaker.trial"]): run.data.metrics["seconds"] for run in runs}
    study = optuna.load_study(study_name="mlp_digits", storage=open_storage(str(output / "studies" / "mlp.log")))
    starts = [trial.datetime_start.timestamp() for trial in study.trials if trial.datetime_start]
    return [
        next_start - start - training[number] for number, (start, next_start) in enumerate(itertools.pairwise(starts))
    ]


def run_watched(command: list[str], root: Path) -> list[float]:
    """Run a command; return its resident memory at each second, MiB."""
    with subprocess.Popen(
        command, cwd=PROJECT, env=os.environ | {"AI_ROOT": str(root)}, stdout=subprocess.DEVNULL
    ) as process:
        memory = []
        while process.poll() is None:
            memory.append(psutil.Process(process.pid).memory_info().rss / 2**20)
            time.sleep(1)
    return memory


def study_empty_task(root: Path, trials: int) -> None:
    """Print the milliseconds a trial takes in two processes whose task returns at once, and the errors of locks."""
    app = PROJECT / "tests" / "support" / "sweep_app"
    path = os.pathsep.join([str(PROJECT / "src"), str(app)])
    command = [sys.executable, str(app / "app.py"), "-m", f"hydra.sweeper.n_trials={trials}", "hydra.sweeper.n_jobs=2"]
    seconds, log = run_timed(command, root, {"SWEEP_ROOT": str(root), "PYTHONPATH": path})
    counts = re.search(r"study study: (.*)", log)
    logs = log + "".join(file.read_text() for file in root.glob("multirun/worker-*.log"))
    errors = re.findall(r"(?i).*(?:locked|lock error|traceback).*", logs)
    states = counts[1] if counts else "no report"
    print(f"2 workers, {trials} empty trials: {states}; {seconds / trials * 1000:.0f} ms each; {len(errors)} errors")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200, help="of each study; default: 200, in two minutes")
    trials = parser.parse_args().trials
    with tempfile.TemporaryDirectory() as directory:
        study_small_models(Path(directory) / "small", trials)
        study_empty_task(Path(directory), trials)

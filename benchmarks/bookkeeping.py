"""What a study costs beside training, trial by trial: Hydra, Optuna's sampler and storage, MLflow, files.

python benchmarks/bookkeeping.py [trials]

First a study of very small models, whose training time is taken off the time from a trial's start to the next one's.
Then a task that does nothing, in two processes: none of the trials may be lost, or fail for a lock.
"""

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
from measure import PROJECT
from peer import timed

from optuna_sweep.storage import open_storage

WINDOW = 50  # trials whose median is printed


def small_models(root: Path, trials: int) -> None:
    """Milliseconds a trial beside training, with the number of trials that there are already."""
    words = ["sweeps=mlp", "data=digits", "training.max_examples=128", "training.epochs=1", "model.hidden_units=[16]"]
    words += [
        "hydra/sweeper/pruner=none",
        f"hydra.sweeper.n_trials={trials}",
        "training.batch_size=32",
        "schedule=constant",
    ]
    memory = watched([sys.executable, "train.py", *words], root)
    early, late = (max(memory[int(len(memory) * a) : int(len(memory) * b)]) for a, b in ((0.1, 0.2), (0.8, 0.9)))
    print(f"memory: {early:.0f} MiB in the second tenth of the study, {late:.0f} MiB in the ninth")
    store = f"sqlite:///{root / 'output' / 'mlflow.db'}"
    runs = mlflow.MlflowClient(store).search_runs(["1"], "tags.`trialmaker.trial` != ''", max_results=trials)
    training = {int(run.data.tags["trialmaker.trial"]): run.data.metrics["seconds"] for run in runs}
    study = optuna.load_study(study_name="mlp", storage=open_storage(str(root / "output" / "studies" / "mlp.log")))
    starts = [trial.datetime_start.timestamp() for trial in study.trials if trial.datetime_start]
    beside = [next_ - own - training[n] for n, (own, next_) in enumerate(itertools.pairwise(starts))]
    for last in sorted({min(100, trials), trials // 2, trials}):
        window = [seconds * 1000 for seconds in beside[max(0, last - WINDOW) : last]]
        quartiles = statistics.quantiles(window, n=4)
        print(f"trial {last:>5}: {quartiles[1]:.0f} ms beside training ({quartiles[0]:.0f} to {quartiles[2]:.0f})")


def watched(command: list[str], root: Path) -> list[float]:
    """Run a command; the memory that it held at each second, in MiB."""
    with subprocess.Popen(
        command, cwd=PROJECT, env=os.environ | {"AI_ROOT": str(root)}, stdout=subprocess.DEVNULL
    ) as process:
        memory = []
        while process.poll() is None:
            memory.append(psutil.Process(process.pid).memory_info().rss / 2**20)
            time.sleep(1)
    return memory


def nothing(root: Path, trials: int) -> None:
    """Two processes, a task that returns at once."""
    app = PROJECT / "tests" / "support" / "sweep_app"
    path = os.pathsep.join([str(PROJECT / "src"), str(app)])
    words = ["-m", f"hydra.sweeper.n_trials={trials}", "hydra.sweeper.n_jobs=2"]
    began = time.monotonic()
    _, log = timed([sys.executable, str(app / "app.py"), *words], root, {"SWEEP_ROOT": str(root), "PYTHONPATH": path})
    seconds = time.monotonic() - began
    counts = re.search(r"study study: (.*)", log)
    logs = log + "".join(file.read_text() for file in root.glob("multirun/worker-*.log"))
    errors = re.findall(r"(?i).*(?:locked|lock error|traceback).*", logs)
    states = counts[1] if counts else "no report"
    print(f"2 workers, {trials} empty trials: {states}; {seconds / trials * 1000:.0f} ms each; {len(errors)} errors")


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as directory:
        small_models(Path(directory) / "small", count)
        nothing(Path(directory), count)

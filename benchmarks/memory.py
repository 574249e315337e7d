"""Memory of runs on MNIST: the peak of a run's processes together, and the growth of one process from run to run.

python benchmarks/memory.py [--models NAME ...] [--runs N]

A page that several processes share counts once (PSS of Linux), so nothing else that uses TensorFlow may run meanwhile.
What is of no file can't be given back: it is what the machine must have for the run. The rest are pages of libraries.
"""

import argparse
import logging
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from optuna_sweep.trial import current_trial
from support.measure import PROJECT, mnist
from support.table import Row, record
from trialmaker.config import resolvers, validation
from trialmaker.experiment import startup
from trialmaker.experiment.context import RunContext
from trialmaker.platform.run_result import RunResult
from trialmaker.platform.signals import Signals

SAMPLE_SECONDS = 0.1
KINDS = {"Pss:": "with pages of files", "Pss_Anon:": "without them"}  # as Linux names them


def watch_run(model: str) -> float:
    """Print the peaks of what a run's processes hold together, and of each then; return that without files, MiB."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as root:
        command = [sys.executable, "train.py", f"data.directory={mnist()}", f"model={model}", "training.epochs=2"]
        process = subprocess.Popen(command, cwd=PROJECT, env=os.environ | {"AI_ROOT": root}, stdout=subprocess.DEVNULL)
        peaks: dict[str, dict[str, float]] = {kind: {} for kind in KINDS}
        while process.poll() is None:
            processes = family(process.pid)
            for kind, peak in peaks.items():
                sizes = {name: size for one in processes for name, size in held(one, kind).items()}
                peaks[kind] = max(peak, sizes, key=lambda each: sum(each.values()))
            time.sleep(SAMPLE_SECONDS)
    for kind, peak in peaks.items():
        parts = ", ".join(f"{name} {size:.0f}" for name, size in peak.items())
        print(f"run of model={model}: {sum(peak.values()):.0f} MiB at its peak {KINDS[kind]} ({parts})", flush=True)
    return sum(peaks["Pss_Anon:"].values())


def family(pid: int) -> list[psutil.Process]:
    """Return a process and those that it has started."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def held(process: psutil.Process, kind: str) -> dict[str, float]:
    """Return the MiB of a kind that a process holds, by what it runs and its id; nothing where it has ended."""
    try:
        name = next((word for word in process.cmdline()[1:] if not word.startswith("-")), "")
        lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
        size = next(int(line.split()[1]) for line in lines if line.startswith(kind))
    except (psutil.Error, OSError, StopIteration):
        return {}
    return {f"{name} {process.pid}": size / 1024}


def watch_growth(runs: int) -> None:
    """Train two epochs ``runs`` times in this process; print its resident memory and its peak after each."""
    with tempfile.TemporaryDirectory() as root:
        os.environ["AI_ROOT"] = root
        resolvers.register()
        process = psutil.Process()
        sizes = []
        for run in range(1, runs + 1):
            with initialize_config_dir(str(PROJECT / "conf"), version_base="1.3"):
                composed = compose("config", [f"data.directory={mnist()}", "training.epochs=2", f"seed={run}"])
            composed.output = f"{root}/output"
            directory = Path(root, "output", "logs", str(run))
            directory.mkdir(parents=True)
            context = RunContext(directory, current_trial(), time.monotonic(), Signals(), RunResult("memory.py"))
            startup.start_run(validation.load(OmegaConf.create(composed)), context)
            sizes.append(process.memory_info().rss / 2**20)
            print(f"run {run}: {sizes[-1]:.0f} MiB, peak {peak_mebibytes():.0f} MiB", flush=True)
    print(f"growth from run 2 to run {runs}: {100 * (sizes[-1] / sizes[1] - 1):.1f} %")


def peak_mebibytes() -> float:
    """Return the largest resident memory of this process since its start, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="*", default=["mlp", "cnn"], help="each in a run of its own; default: both")
    parser.add_argument("--runs", type=int, default=10, help="of one process, for its growth; default: 10; 0: none")
    args = parser.parse_args()
    what = "memory of a run, without pages of files, model={}"
    record("memory", [Row(what.format(model), "MiB", [watch_run(model)]) for model in args.models])
    if args.runs:
        logging.disable()
        watch_growth(args.runs)

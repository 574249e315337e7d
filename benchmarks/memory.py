"""Memory of runs on MNIST: the peak of one process over 20 runs, and its growth from run to run.

python benchmarks/memory.py [runs]
"""

import logging
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import psutil
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from optuna_sweep.trial import current_trial
from support.measure import PROJECT, mnist
from trialmaker.config import resolvers, validation
from trialmaker.experiment import startup
from trialmaker.experiment.context import RunContext
from trialmaker.platform.run_result import RunResult
from trialmaker.platform.signals import Signals


def main(runs: int) -> None:
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
    logging.disable()
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)

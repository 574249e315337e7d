"""Test accuracy of a recorded recipe over seeds: mean and standard deviation, and the minutes of each run.

python benchmarks/accuracy.py [mnist_mlp|mnist_cnn|digits_mlp] [seeds]
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from support.measure import PROJECT, mnist
from trialmaker.platform.run_result import run_results


def main(recipe: str, seeds: int) -> None:
    """Run the recipe's command once for each seed."""
    accuracies, minutes = [], []
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as root:
            command = [sys.executable, "train.py", f"experiment={recipe}", f"seed={seed}"]
            command += [f"data.directory={mnist()}"] if recipe.startswith("mnist") else []
            start = time.perf_counter()
            variables = os.environ | {"AI_ROOT": root}
            subprocess.run(command, cwd=PROJECT, env=variables, stdout=subprocess.DEVNULL, check=True)
            minutes.append((time.perf_counter() - start) / 60)
            accuracies += [100 * one.test_metrics["test_accuracy"] for _, one in run_results(Path(root, "output"))]
        print(f"{recipe} seed {seed}: {accuracies[-1]:.2f} %, {minutes[-1]:.1f} minutes", flush=True)
    spread = statistics.stdev(accuracies) if seeds > 1 else 0.0
    print(f"{recipe}: {statistics.mean(accuracies):.2f} % ± {spread:.2f}, {max(minutes):.1f} minutes at most")


if __name__ == "__main__":
    for recipe in sys.argv[1:2] or ("digits_mlp", "mnist_mlp", "mnist_cnn"):
        main(recipe, int(sys.argv[2]) if len(sys.argv) > 2 else 5)

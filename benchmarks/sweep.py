"""A study on MNIST beside the same search by hydra-optuna-sweeper 1.3 with Keras ``fit``: trials a minute, best value.

python benchmarks/sweep.py [trials] [seed ...]

Both search learning rate, width and dropout of 784-w-w-10, Adam, batch 128, at most 3 epochs (the peer 5), one worker,
in turn. The clock runs from the command's start to its end. The peer has an environment of its own, made once, in which
this one's TensorFlow is importable after the peer's own Hydra and Optuna.

The two differ in more than speed: ``sweeps/mlp.yaml`` anneals the learning rate, the peer keeps it constant. So ours
runs a second time with ``schedule=constant``.
"""

import re
import statistics
import sys
import tempfile
from pathlib import Path

from support.measure import PROJECT, mnist
from support.peer import environment, run_timed, write_arrays

VARIANTS = {"ours": [], "ours, constant rate": ["schedule=constant"]}


def main(trials: int, seeds: list[int]) -> None:
    """Alternate, one seed at a time."""
    python = environment("hydra-optuna-sweeper", "hydra-optuna-sweeper==1.3.0", "hydra-core<1.4")
    ratios: dict[str, list[float]] = {name: [] for name in VARIANTS}
    best: dict[str, list[float]] = {name: [] for name in ("peer", *VARIANTS)}
    with tempfile.TemporaryDirectory() as root:
        data = write_arrays(Path(root))
        for seed in seeds:
            theirs, value = run_peer(python, data, Path(root), seed, trials)
            best["peer"].append(value)
            print(f"seed {seed}: peer {theirs:.0f} s, best {value:.4f}", flush=True)
            for name, overrides in VARIANTS.items():
                seconds, value = run_ours(Path(root) / f"{name}-{seed}", seed, trials, overrides)
                ratios[name].append(theirs / seconds)
                best[name].append(value)
                print(f"seed {seed}: {name} {seconds:.0f} s, best {value:.4f}; {theirs / seconds:.1f} x", flush=True)
    for name, values in ratios.items():
        print(f"{name}: {statistics.median(values):.1f} times the trials per minute", end=" ")
        print(f"({min(values):.1f} to {max(values):.1f})")
    print("best val_accuracy, mean:", ", ".join(f"{name} {statistics.mean(best[name]):.4f}" for name in best))


def run_ours(root: Path, seed: int, trials: int, overrides: list[str]) -> tuple[float, float]:
    """Run this project's study; return its seconds and its best val_accuracy."""
    fixed = ["sweeps=mlp", f"seed={seed}", f"data.directory={mnist()}", f"hydra.sweeper.n_trials={trials}"]
    seconds, log = run_timed([sys.executable, "train.py", *fixed, *overrides], PROJECT, {"AI_ROOT": str(root)})
    value = re.search(r"best trial=\d+ val_accuracy=([\d.]+)", log)
    return seconds, float(value[1]) if value else 0.0


def run_peer(python: Path, data: Path, root: Path, seed: int, trials: int) -> tuple[float, float]:
    """Run the peer's study; return its seconds and its best val_accuracy."""
    script = PROJECT / "benchmarks" / "peers" / "optuna_sweeper_fit.py"
    command = [str(python), str(script), str(trials), str(seed), "-m", f"hydra.sweep.dir={root}/peer-{seed}"]
    seconds, _ = run_timed(command, root, {"PEER_DATA": str(data)})
    results = (root / f"peer-{seed}" / "optimization_results.yaml").read_text()
    value = re.search(r"best_value: ([\d.]+)", results)
    return seconds, float(value[1]) if value else 0.0


if __name__ == "__main__":
    numbers = [int(number) for number in sys.argv[1:]]
    main(numbers[0] if numbers else 30, numbers[1:] or [0, 1, 2])

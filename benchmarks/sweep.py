"""A study on MNIST beside the same search by hydra-optuna-sweeper 1.3 with Keras ``fit``: trials a minute, best found.

python benchmarks/sweep.py [seeds] [trials]

Both search learning rate, width and dropout of 784-w-w-10, Adam, batch 128, at most 5 epochs, one worker, in turn. The
clock runs from the command's start to its end. The peer has an environment of its own, made once, with this one's
TensorFlow behind its own Hydra and Optuna.

The two differ in more than speed: ours anneals the learning rate (``schedule: cosine`` in ``sweeps/mlp.yaml``), theirs
is constant. ``schedule=constant`` in the command of ours takes that difference away.
"""

import re
import statistics
import sys
import tempfile
from pathlib import Path

from measure import PROJECT, mnist
from peer import arrays, environment, timed


def main(seeds: int, trials: int) -> None:
    """Alternate, a seed at a time."""
    python = environment("hydra-optuna-sweeper", "hydra-optuna-sweeper==1.3.0", "hydra-core<1.4")
    ratios, ours_best, theirs_best = [], [], []
    with tempfile.TemporaryDirectory() as root:
        data = arrays(Path(root))
        for seed in range(seeds):
            theirs, their_value = peer(python, data, Path(root), seed, trials)
            ours, our_value = study(Path(root), seed, trials)
            ratios.append(theirs / ours)
            ours_best.append(our_value)
            theirs_best.append(their_value)
            print(
                f"seed {seed}: peer {theirs:.0f} s, best {their_value:.4f}; ours {ours:.0f} s, best {our_value:.4f};"
                f" {ratios[-1]:.1f} times the trials per minute",
                flush=True,
            )
    print(f"trials per minute: {statistics.median(ratios):.1f} times ({min(ratios):.1f} to {max(ratios):.1f})")
    print(f"best val_accuracy, mean: peer {statistics.mean(theirs_best):.4f}, ours {statistics.mean(ours_best):.4f}")


def study(root: Path, seed: int, trials: int) -> tuple[float, float]:
    """Ours: seconds and the best value."""
    home = root / f"ours-{seed}"
    words = ["sweeps=mlp", f"seed={seed}", f"data.directory={mnist()}", f"hydra.sweeper.n_trials={trials}"]
    seconds, log = timed([sys.executable, "train.py", *words], PROJECT, {"AI_ROOT": str(home)})
    value = re.search(r"best trial=\d+ value=([\d.]+)", log)
    return seconds, float(value[1]) if value else 0.0


def peer(python: Path, data: Path, root: Path, seed: int, trials: int) -> tuple[float, float]:
    """Theirs."""
    script = PROJECT / "benchmarks" / "peers" / "optuna_sweeper_fit.py"
    command = [str(python), str(script), str(trials), str(seed), "-m", f"hydra.sweep.dir={root}/peer-{seed}"]
    seconds, _ = timed(command, root, {"PEER_DATA": str(data)})
    results = (root / f"peer-{seed}" / "optimization_results.yaml").read_text()
    value = re.search(r"best_value: ([\d.]+)", results)
    return seconds, float(value[1]) if value else 0.0


if __name__ == "__main__":
    main(*(int(word) for word in [*sys.argv[1:], *("3", "30")[len(sys.argv) - 1 :]]))

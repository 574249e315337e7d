"""Seconds until a study on MNIST reaches a validation accuracy, beside keras-tuner's Hyperband over the same space.

python benchmarks/hyperband.py [seeds] [accuracy]

784-w-w-10, Adam, batch 128, at most 3 epochs (the peer 5), one worker, in turn. The clock runs from the command's start
to its end, which comes when a trial reaches the accuracy. The peer has an environment of its own, made once.

The two differ in more than speed: ours anneals the learning rate (``cosine_short_warmup`` in ``sweeps/mlp.yaml``),
theirs is constant. ``schedule=constant`` in the command of ours takes that difference away.
"""

import statistics
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from support.measure import PROJECT, mnist
from support.peer import environment, run_timed, write_arrays


def main(seeds: int, accuracy: float) -> None:
    """Alternate, one seed at a time."""
    python = environment("keras-tuner", "keras-tuner==1.4.8", f"keras=={version('keras')}")
    script = PROJECT / "benchmarks" / "peers" / "keras_tuner_hyperband.py"
    ratios = []
    with tempfile.TemporaryDirectory() as root:
        variables = {"PEER_DATA": str(write_arrays(Path(root)))}
        for seed in range(seeds):
            theirs, their_log = run_timed([str(python), str(script), str(seed), str(accuracy)], Path(root), variables)
            overrides = ["sweeps=mlp", f"seed={seed}", f"data.directory={mnist()}"]
            overrides += [f"hydra.sweeper.target={accuracy}", "hydra.sweeper.n_trials=300"]
            command = [sys.executable, "train.py", *overrides]
            ours, our_log = run_timed(command, PROJECT, {"AI_ROOT": f"{root}/{seed}"})
            ratios.append(theirs / ours)
            trials = our_log.count(" COMPLETE ") + our_log.count(" PRUNED ")
            print(
                f"seed {seed}: peer {theirs:.0f} s in {their_log.count('trial ')} trials; ours {ours:.0f} s in"
                f" {trials} trials: {ratios[-1]:.1f} times as fast",
                flush=True,
            )
    print(f"{statistics.median(ratios):.1f} times as fast ({min(ratios):.1f} to {max(ratios):.1f})")


if __name__ == "__main__":
    seeds, accuracy = [*sys.argv[1:], *("3", "0.977")[len(sys.argv) - 1 :]]
    main(int(seeds), float(accuracy))

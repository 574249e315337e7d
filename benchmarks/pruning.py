"""What pruning costs: a study's pruned trials are trained to their end; how many would have won?

For each seed the study of ``sweeps/`` runs, and then a second one of exactly the pruned points, without a pruner. A
trial's training depends on its parameters and the seed alone, so that it goes as it would have gone.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from support.measure import PROJECT, mnist


def main() -> None:
    """Print for each seed how the pruned trials would have ended, then the sum."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", help="for both studies, such as schedule=constant")
    parser.add_argument("--sweep", default="mlp", help="a file of sweeps/; default mlp")
    parser.add_argument("--seeds", type=int, nargs="+", default=[9], help="default: 9")
    args = parser.parse_args()
    pruned, winners, lost = 0, 0, []
    for seed in args.seeds:
        with tempfile.TemporaryDirectory() as root:
            fixed = [f"sweeps={args.sweep}", f"data.directory={mnist()}", f"seed={seed}", *args.overrides]
            trials = run_study(Path(root, "study"), fixed, args.sweep)
            ended = [trial.value for trial in trials if trial.state == TrialState.COMPLETE and trial.value is not None]
            points = [trial.params for trial in trials if trial.state == TrialState.PRUNED]
            again = run_study(Path(root, "again"), [*fixed, *to_the_end(points)], args.sweep) if points else []
        values = sorted((trial.value for trial in again if trial.value is not None), reverse=True)
        better = [value for value in values if value > max(ended)]
        pruned, winners = pruned + len(points), winners + len(better)
        lost.append(max([value - max(ended) for value in better], default=0.0))
        best = ", ".join(f"{value:.4f}" for value in values[:3])
        print(
            f"seed {seed}: {len(ended)} trials to their end, best {max(ended):.4f}, worst {min(ended):.4f};"
            f" {len(points)} pruned, which end at {best} and less: {len(better)} would have won",
            flush=True,
        )
    print(f"{winners} of {pruned} pruned trials would have won; best value lost: {max(lost):.4f} at most")


def to_the_end(points: list[dict[str, object]]) -> list[str]:
    """Return the overrides of a study of certain points, none of which is pruned."""
    texts = ["{" + ",".join(f"{name}:{value}" for name, value in point.items()) + "}" for point in points]
    enqueued = f"hydra.sweeper.enqueue=[{','.join(texts)}]"
    return ["hydra/sweeper/pruner=none", f"hydra.sweeper.n_trials={len(points)}", enqueued]


def run_study(root: Path, words: list[str], name: str) -> list[FrozenTrial]:
    """Run a study; return its trials. Exit if it fails."""
    done = subprocess.run(
        [sys.executable, "train.py", *words],
        cwd=PROJECT,
        env=os.environ | {"AI_ROOT": str(root)},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit((done.stdout + done.stderr)[-5000:])
    storage = JournalStorage(JournalFileBackend(str(root / "output" / "studies" / f"{name}.log")))
    return optuna.load_study(study_name=optuna.get_all_study_names(storage)[0], storage=storage).get_trials()


if __name__ == "__main__":
    main()

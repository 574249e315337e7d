"""Seconds of training to 99 % with a CNN and to 98 % with an MLP: the recorded recipes beside PyTorch's, in turn.

python benchmarks/to_accuracy.py [99|98 ...] [--rounds 5] [--override precision=float32 ...]

99: ``experiment=mnist_99_fast`` beside the public recipe of one epoch in PyTorch, channels last; 98: ``mnist_98_fast``
beside the same network and settings in PyTorch. Each round trains both with a seed of its own (its number) by a command
of its own, on all cores. The seconds are those of the loop, compilation included, and beside them those of the whole
command: start, data, training, test and, of ours, MLflow's records and the published model. The peer trains on all
60,000 images, as its recipe says; of ours, ``mnist_99_fast`` holds 10,000 of them out for validation, ``mnist_98_fast``
1,200.
"""

import argparse
import json
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from support.measure import PROJECT, mnist, report
from support.peer import environment, run_timed
from support.recipes import Training, threads, train
from support.table import Row, record
from trialmaker.data import mnist as data

PEER_MODELS = {"99": "cnn", "98": "mlp"}


def main() -> None:
    """Compare what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("percent", nargs="*", metavar="99|98", help="which comparison; both by default")
    parser.add_argument("--rounds", type=int, default=5, help="trainings of each, with the seeds from 0 on")
    parser.add_argument("--override", nargs="*", default=[], help="what to change in ours, as for train.py")
    args = parser.parse_args()
    if unknown := [one for one in args.percent if one not in PEER_MODELS]:
        parser.error(f"{unknown[0]}: must be one of {', '.join(PEER_MODELS)}")
    python = environment("torch", "torch", "numpy")
    with tempfile.TemporaryDirectory() as root:
        arrays = write_arrays(Path(root, "mnist.npz"))
        named = args.percent or list(PEER_MODELS)
        rows = [row for one in named for row in compare(one, args.rounds, args.override, python, arrays)]
    if len(named) == len(PEER_MODELS) and not args.override:
        record("to_accuracy", rows)


def compare(percent: str, rounds: int, overrides: Sequence[str], python: Path, arrays: Path) -> list[Row]:
    """Train ours and the peer's in turn; print what each took and reached, and return its rows."""
    ours: list[Training] = []
    peers: list[Training] = []
    for seed in range(rounds):
        ours.append(train(f"mnist_{percent}_fast", seed, overrides))
        peers.append(train_peer(python, PEER_MODELS[percent], arrays, seed))
    trainings = {"ours": ours, "PyTorch": peers}
    for name, some in trainings.items():
        values = [100 * one.accuracy for one in some]
        print(f"{name}: test accuracy {statistics.mean(values):.2f} % ({min(values):.2f} to {max(values):.2f})")
    for what, field in (("training", "seconds"), ("whole command", "command_seconds")):
        print(f"{what}, {threads()} threads:")
        report({name: [getattr(one, field) for one in some] for name, some in trainings.items()}, "ours")
    reached = {name: [100 * one.accuracy for one in some] for name, some in trainings.items()}
    means = ", ".join(f"{name} {statistics.mean(values):.2f} %" for name, values in reached.items())
    work = f"training to {percent} %: mnist_{percent}_fast ({means})"
    return [Row(work, "s", [one.seconds for one in ours], {"PyTorch": [one.seconds for one in peers]})]


def train_peer(python: Path, model: str, arrays: Path, seed: int) -> Training:
    """Train the peer's recipe in its own environment."""
    script = PROJECT / "benchmarks" / "peers" / "pytorch_recipe.py"
    command = [str(python), str(script), model, str(arrays), str(seed), str(threads())]
    command_seconds, output = run_timed(command, PROJECT, {})
    result = json.loads(output.splitlines()[-1])
    return Training(result["seconds"], command_seconds, result["accuracy"])


def write_arrays(path: Path) -> Path:
    """Write all training images, uint8 [60000, 28, 28, 1], and the test images for the peer; return the path."""
    dataset = data.load(directory=mnist(), download=False, mirrors=(), validation_fraction=0.1, split_seed=0)
    train_images = np.concatenate([dataset.train.images, dataset.validation.images])
    train_labels = np.concatenate([dataset.train.labels, dataset.validation.labels])
    arrays: dict[str, Any] = {"train_images": train_images, "train_labels": train_labels}
    np.savez(path, **arrays, test_images=dataset.test.images, test_labels=dataset.test.labels)
    return path


if __name__ == "__main__":
    main()

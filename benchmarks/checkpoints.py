"""What checkpoints cost the training: the same epochs with one every second and without any, in turn.

python benchmarks/checkpoints.py [--rounds N] [--seconds S]

A checkpoint's cost is what the training with them took longer, capture and the writer's share of the machine included,
over their number; every 30 s (checkpoint.every_seconds) it counts once in that time. The law is less than 2 %. They are
written to the folder for temporary files (TMPDIR), which should lie on a disk.
"""

import argparse
import tempfile
import time
from pathlib import Path

from support.measure import mnist

# isort: split
import keras
import numpy as np
import yaml

from trialmaker.data import mnist as data
from trialmaker.data.splits import Split
from trialmaker.models import registry
from trialmaker.platform.paths import CONF
from trialmaker.training import augmentation, loop, optimizers
from trialmaker.training.checkpointer import Checkpointer
from trialmaker.training.loop_state import LoopState
from trialmaker.training.objective import Objective
from trialmaker.training.plan import TrainingPlan
from trialmaker.training.program import Program

EVERY_SECONDS, LIMIT = 30, 0.02
MODELS = {
    "mlp 784-128-128-10": ("mlp", {}),
    "cnn": ("cnn", {}),
    "mlp 784-2048-2048-2048-10": ("mlp", {"hidden_units": [2048, 2048, 2048]}),
}


class Training:
    """Trainings of one program, of so many epochs each, on a part of MNIST."""

    def __init__(self, name: str, train: Split, validation: Split) -> None:
        choice, changes = MODELS[name]
        fields = yaml.safe_load((CONF / "model" / f"{choice}.yaml").read_text()) | changes
        del fields["name"]
        keras.utils.set_random_seed(0)
        model = registry.builder(choice)(input_shape=(28, 28, 1), num_classes=10, **fields)
        self.program = Program(
            model=model,
            optimizer=optimizers.build(name="adam", variables=model.trainable_variables),
            augment=augmentation.build(name="none"),
            smooths_labels=False,
            jit_compile=registry.compiles_faster(choice),
        )
        self.weights, self.train, self.validation = model.get_weights(), train, validation
        self.epochs = 1

    def seconds(self, directory: Path | None = None) -> np.ndarray:
        """Train from the first weights, with a checkpoint every second where there is a directory for it.

        Returns:
            seconds: of the training after its first call, of all processors, and of captures on the training's thread.
            The wait for the last checkpoint, which there is once a run, counts for the processors alone.
        """
        self.program.begin(self.weights)
        state, starts = LoopState(), list[float]()
        checkpoints = Checkpointer(directory or Path(), lambda: state.snapshot(self.program), 1.0)
        began = time.process_time()
        with checkpoints:
            loop.fit(
                TrainingPlan(
                    learning_rates=lambda steps: np.full_like(steps, 0.001),
                    objective=Objective("val_loss", "minimize"),
                    seed=0,
                    epochs=self.epochs,
                    batch_size=128,
                ),
                program=self.program,
                train=self.train,
                validation=self.validation,
                state=state,
                stop=lambda: None,
                listeners=[lambda _: starts.append(time.perf_counter()), *([checkpoints] if directory else [])],
            )
            end = time.perf_counter()
        return np.array([end - starts[0], time.process_time() - began, checkpoints.capture_seconds])


def measure(name: str, training: Training, *, rounds: int, seconds: float) -> float:
    """Print what checkpoints cost a training; return the share of time that they take every 30 s."""
    training.seconds()  # compiles
    training.epochs = max(1, round(seconds / training.seconds()[0]))
    costs = []
    for _ in range(rounds):
        plain = training.seconds()
        with tempfile.TemporaryDirectory() as directory:
            longer = training.seconds(Path(directory)) - plain
            (last,) = Path(directory).iterdir()
            count, size = int(last.stem.partition("-")[2]), last.stat().st_size
        costs.append(longer / count * 1000)
    (wall, processors, capture), shares = np.median(costs, axis=0), np.array(costs)[:, 0] / 1000 / EVERY_SECONDS
    print(
        f"{name:<27} {size / 1e6:5.1f} MB: capture {capture:.1f} ms, processors {processors:.0f} ms;"
        f" the training is longer by {wall:.0f} ms, every {EVERY_SECONDS} s {np.median(shares):.2%}"
        f" ({shares.min():.2%} to {shares.max():.2%}); {count} in {plain[0]:.1f} s",
        flush=True,
    )
    return float(np.median(shares))


def main() -> None:
    """Measure each model; fail where checkpoints cost more than the law allows."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7, help="trainings with and without checkpoints (default: 7)")
    parser.add_argument("--seconds", type=float, default=10, help="that a training is to take (default: 10)")
    args = parser.parse_args()
    dataset = data.load(directory=mnist(), download=False, mirrors=(), validation_fraction=0.1, split_seed=0)
    train, validation = (Split(one.images[:6400], one.labels[:6400]) for one in (dataset.train, dataset.validation))
    shares = {
        name: measure(name, Training(name, train, validation), rounds=args.rounds, seconds=args.seconds)
        for name in MODELS
    }
    if late := [name for name, share in shares.items() if share > LIMIT]:
        raise SystemExit(f"more than {LIMIT:.0%}: {', '.join(late)}")


if __name__ == "__main__":
    main()

"""What tracking costs the loop: the same epochs with and without an MLflow run that records them, in turn.

python benchmarks/tracking_cost.py [rounds]
"""

import logging
import statistics
import sys
import tempfile
import time
from pathlib import Path

from measure import PROJECT, mnist

import keras  # isort: skip
import numpy as np  # isort: skip

from trialmaker.data import mnist as data
from trialmaker.models import registry
from trialmaker.tracking.client import Tracker
from trialmaker.tracking.messages import Start
from trialmaker.training import augmentation, loop, optimizers
from trialmaker.training.objective import Objective
from trialmaker.training.program import Program

EPOCHS = 10


def main(rounds: int) -> None:
    """Train with a listener that tracks, and with none; start and end of the MLflow run are outside the loop."""
    split = data.load(directory=mnist(), download=False, mirrors=(), validation_fraction=0.1, split_seed=0)
    keras.utils.set_random_seed(0)
    fields = {"hidden_units": [128, 128], "activation": "relu", "dropout_rate": 0.0, "batch_norm": False}
    model = registry.builder("mlp")(input_shape=(28, 28, 1), num_classes=10, **fields)
    optimizer = optimizers.build(name="adam", variables=model.trainable_variables)
    program = Program(
        model=model,
        optimizer=optimizer,
        augment=augmentation.build(name="none"),
        smooths_labels=False,
        jit_compile=True,
    )
    weights = model.get_weights()

    def train(listeners: list[loop.Listener]) -> float:
        program.begin(weights)
        seconds: list[float] = []
        times = [lambda _: seconds.append(time.perf_counter())]
        loop.fit(
            program=program,
            learning_rates=lambda steps: np.full_like(steps, 0.001),
            train=split.train,
            validation=split.validation,
            objective=Objective("val_accuracy", "maximize"),
            seed=0,
            epochs=EPOCHS,
            batch_size=128,
            patience=None,
            stop=lambda: None,
            listeners=[*listeners, *times],
        )
        return seconds[-1] - seconds[len(seconds) // 3]

    with tempfile.TemporaryDirectory() as root:
        start = Start(None, Path(root), "cost", "cost", Path(root), PROJECT, {"a": "b"}, "", 1.0)
        with Tracker(start) as tracker:
            _ = tracker.run_id
            ratios = []
            for _ in range(rounds):
                without, tracked = train([]), train([tracker])
                ratios.append(tracked / without)
                print(f"without {without:.3f} s, tracked {tracked:.3f} s, ratio {ratios[-1]:.3f}", flush=True)
    print(f"tracking: median ratio {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")


if __name__ == "__main__":
    logging.disable()
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)

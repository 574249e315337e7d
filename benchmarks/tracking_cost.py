"""What tracking costs the loop: the same epochs with and without an MLflow run that records them, in turn.

python benchmarks/tracking_cost.py [--rounds N]
"""

import argparse
import logging
import statistics
import tempfile
import time
from pathlib import Path

from support.measure import PROJECT, mnist
from support.table import Row, record

# isort: split
import keras
import numpy as np

from trialmaker.data import mnist as data
from trialmaker.data.splits import Dataset
from trialmaker.models import registry
from trialmaker.tracking.client import Tracker
from trialmaker.tracking.messages import Start
from trialmaker.training import augmentation, loop, optimizers
from trialmaker.training.events import Listener
from trialmaker.training.loop_state import LoopState
from trialmaker.training.objective import Objective
from trialmaker.training.plan import TrainingPlan
from trialmaker.training.program import Program

EPOCHS = 10
MODEL = {
    "hidden_units": [128, 128],
    "activation": "relu",
    "dropout_rate": 0.0,
    "batch_norm": False,
    "initializer": "glorot_uniform",
}


def build_program() -> Program:
    keras.utils.set_random_seed(0)
    model = registry.builder("mlp")(input_shape=(28, 28, 1), num_classes=10, **MODEL)
    return Program(
        model=model,
        optimizer=optimizers.build(name="adam", variables=model.trainable_variables),
        augment=augmentation.build(name="none"),
        smooths_labels=False,
        jit_compile=True,
    )


def train_seconds(program: Program, weights: list[np.ndarray], dataset: Dataset, listeners: list[Listener]) -> float:
    """Train from the weights; return the seconds between the events of the last two thirds of the training."""
    plan = TrainingPlan(
        learning_rates=lambda steps: np.full_like(steps, 0.001),
        objective=Objective("val_accuracy", "maximize"),
        seed=0,
        epochs=EPOCHS,
        batch_size=128,
    )
    program.begin(weights)
    times: list[float] = []
    loop.fit(
        plan,
        program=program,
        train=dataset.train,
        validation=dataset.validation,
        state=LoopState(),
        stop=lambda: None,
        listeners=[*listeners, lambda _: times.append(time.perf_counter())],
    )
    return times[-1] - times[len(times) // 3]


def run_start(output: Path, number: int) -> Start:
    directory = output / str(number)
    directory.mkdir()
    return Start(
        uri=None,
        output=output,
        experiment="cost",
        run_name="cost",
        run_directory=directory,
        project=PROJECT,
        params={"a": "b"},
        resolved_config="",
        system_metrics_seconds=1.0,
    )


def main(rounds: int) -> None:
    """Train with and without a listener that tracks; MLflow runs start and end outside the loop."""
    dataset = data.load(directory=mnist(), download=False, mirrors=(), validation_fraction=0.1, split_seed=0)
    program = build_program()
    weights = program.model.get_weights()
    ratios = []
    with tempfile.TemporaryDirectory() as root:
        for number in range(rounds):
            with Tracker(run_start(Path(root), number)) as tracker:  # its own run: what a journal has, it has once
                _ = tracker.run_id  # waits until the run has started
                untracked = train_seconds(program, weights, dataset, [])
                tracked = train_seconds(program, weights, dataset, [tracker])
            ratios.append(tracked / untracked)
            print(f"without {untracked:.3f} s, tracked {tracked:.3f} s, ratio {ratios[-1]:.3f}", flush=True)
    record("tracking_cost", [Row("an MLP's epochs with tracking, of those without", "times", ratios)])
    print(f"tracking: median ratio {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")


if __name__ == "__main__":
    logging.disable()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="default: 9")
    main(parser.parse_args().rounds)

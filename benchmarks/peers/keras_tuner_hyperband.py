"""The search of ``sweeps=mlp`` by keras-tuner's Hyperband, until a validation accuracy is reached.

It runs in an environment of its own, which ``benchmarks/sweep.py`` makes, and appends a JSON line for each trial to the
file PEER_TRIALS: its value, and when it ended. Arguments: the seed, the accuracy, the longest time in seconds.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import keras_tuner
import numpy as np

START = time.monotonic()
DATA = np.load(os.environ["PEER_DATA"])
SEED, TARGET, MAX_SECONDS = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])


class UntilReached(keras_tuner.Hyperband):
    def on_trial_end(self, trial: keras_tuner.engine.trial.Trial) -> None:
        super().on_trial_end(trial)
        value = trial.metrics.get_best_value("val_accuracy")
        with Path(os.environ["PEER_TRIALS"]).open("a") as file:
            file.write(json.dumps({"value": value, "ended": time.time()}) + "\n")
        if value >= TARGET or time.monotonic() - START >= MAX_SECONDS:
            sys.exit()


def build(hyperparameters: keras_tuner.HyperParameters) -> keras.Model:
    width = hyperparameters.Choice("width", [64, 128, 256, 512])
    dropout_rate = hyperparameters.Float("dropout_rate", 0.0, 0.5)
    layers = [keras.Input((28, 28, 1)), keras.layers.Flatten()]
    for _ in range(2):
        layers += [keras.layers.Dense(width, activation="relu"), keras.layers.Dropout(dropout_rate)]
    model = keras.Sequential([*layers, keras.layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    learning_rate = hyperparameters.Float("learning_rate", 1e-4, 3e-2, sampling="log")
    model.compile(keras.optimizers.Adam(learning_rate), loss, metrics=["accuracy"])
    return model


with tempfile.TemporaryDirectory() as directory:
    tuner = UntilReached(
        build, objective="val_accuracy", max_epochs=5, factor=3, hyperband_iterations=100, seed=SEED,
        directory=directory,
    )  # fmt: skip
    validation = (DATA["validation_images"], DATA["validation_labels"])
    tuner.search(DATA["images"], DATA["labels"], batch_size=128, validation_data=validation, verbose=0)

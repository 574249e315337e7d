"""The search of ``sweeps=mlp`` by keras-tuner's Hyperband, until a validation accuracy is reached.

It runs in an environment of its own, which ``benchmarks/hyperband.py`` makes.
"""

import os
import sys
import tempfile

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import keras_tuner
import numpy as np

DATA = np.load(os.environ["PEER_DATA"])


class UntilReached(keras_tuner.Hyperband):
    def on_trial_end(self, trial: keras_tuner.engine.trial.Trial) -> None:
        super().on_trial_end(trial)
        value = trial.metrics.get_best_value("val_accuracy")
        print(f"trial {trial.trial_id} {value:.4f}", flush=True)
        if value >= float(sys.argv[2]):
            sys.exit()


def build(hyperparameters: keras_tuner.HyperParameters) -> keras.Model:
    width = hyperparameters.Choice("width", [64, 128, 256, 512])
    dropout_rate = hyperparameters.Float("dropout_rate", 0.0, 0.5)
    layers = [keras.Input((28, 28, 1)), keras.layers.Flatten()]
    for _ in range(2):
        layers += [keras.layers.Dense(width, activation="relu"), keras.layers.Dropout(dropout_rate)]
    model = keras.Sequential([*layers, keras.layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    learning_rate = hyperparameters.Float("learning_rate", 1e-4, 1e-1, sampling="log")
    model.compile(keras.optimizers.Adam(learning_rate), loss, metrics=["accuracy"])
    return model


with tempfile.TemporaryDirectory() as directory:
    tuner = UntilReached(
        build, objective="val_accuracy", max_epochs=5, factor=3, hyperband_iterations=100, seed=int(sys.argv[1]),
        directory=directory,
    )  # fmt: skip
    validation = (DATA["validation_images"], DATA["validation_labels"])
    tuner.search(DATA["images"], DATA["labels"], batch_size=128, validation_data=validation, verbose=0)

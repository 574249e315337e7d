"""The search of ``sweeps=mlp`` as people write it today: hydra-optuna-sweeper 1.3, Keras ``fit`` in the task.

It runs in an environment of its own, which ``benchmarks/sweep.py`` makes, and appends a JSON line for each trial to the
file PEER_TRIALS: its value, and when it ended.
"""

import json
import os
import sys
import time
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import hydra
import keras
import numpy as np
from omegaconf import DictConfig

DATA = np.load(os.environ["PEER_DATA"])


@hydra.main(version_base=None, config_path=None, config_name="peer")
def main(config: DictConfig) -> float:
    keras.utils.set_random_seed(0)
    layers = [keras.Input((28, 28, 1)), keras.layers.Flatten()]
    for _ in range(2):
        layers += [keras.layers.Dense(config.width, activation="relu"), keras.layers.Dropout(config.dropout_rate)]
    model = keras.Sequential([*layers, keras.layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(config.learning_rate), loss, metrics=["accuracy"])
    history = model.fit(
        DATA["images"], DATA["labels"], batch_size=128, epochs=5, verbose=0,
        validation_data=(DATA["validation_images"], DATA["validation_labels"]),
    )  # fmt: skip
    value = float(max(history.history["val_accuracy"]))
    with Path(os.environ["PEER_TRIALS"]).open("a") as file:
        file.write(json.dumps({"value": value, "ended": time.time()}) + "\n")
    return value


if __name__ == "__main__":
    from hydra.core.config_store import ConfigStore

    defaults = [{"override hydra/sweeper": "optuna"}, {"override hydra/sweeper/sampler": "tpe"}, "_self_"]
    params = {
        "learning_rate": "tag(log, interval(1e-4, 3e-2))",
        "width": "choice(64, 128, 256, 512)",
        "dropout_rate": "interval(0.0, 0.5)",
    }
    sweeper = {
        "direction": "maximize", "n_jobs": 1, "n_trials": int(sys.argv.pop(1)), "params": params,
        "sampler": {"seed": int(sys.argv.pop(1))},
    }  # fmt: skip
    config = {"defaults": defaults, "learning_rate": 0.001, "width": 128, "dropout_rate": 0.0,
              "hydra": {"sweeper": sweeper}}  # fmt: skip
    ConfigStore.instance().store("peer", config)
    main()

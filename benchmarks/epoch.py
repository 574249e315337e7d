"""An epoch on MNIST: this project's loop beside Keras' ``fit``, with the same model, optimizer and batches, in turn.

python benchmarks/epoch.py [mlp|cnn] [rounds]
"""

import sys
from collections.abc import Callable, Mapping

from support.measure import alternate, mnist, report

# isort: split
import keras
import numpy as np

from trialmaker.data import mnist as data
from trialmaker.data.splits import Split
from trialmaker.models import registry
from trialmaker.training import augmentation, optimizers
from trialmaker.training.metrics import loss_and_accuracy
from trialmaker.training.program import Program, data_order

Task = Callable[[], object]
MODELS = {
    "mlp": {
        "hidden_units": [128, 128],
        "activation": "relu",
        "dropout_rate": 0.0,
        "batch_norm": False,
        "initializer": "glorot_uniform",
    },
    "cnn": {
        "filters": [32, 64],
        "convolutions": 1,
        "kernel_size": 3,
        "padding": "valid",
        "pooling": "max",
        "pool_size": 2,
        "pool_after": "activation",
        "dense_units": [128],
        "activation": "relu",
        "dropout_rate": 0.0,
        "batch_norm": False,
        "initializer": "glorot_uniform",
    },
}
FIT_SETTINGS = {
    "fit": {},
    "fit, jit_compile, steps_per_execution=100": {"jit_compile": True, "steps_per_execution": 100},
}
BATCH = 128


def build_model(name: str) -> keras.Model:
    keras.utils.set_random_seed(0)
    return registry.builder(name)(input_shape=(28, 28, 1), num_classes=10, **MODELS[name])


def our_epoch(model: keras.Model, name: str, train: Split) -> Task:
    """Return a function that trains the model for an epoch with this project's compiled loop."""
    program = Program(
        model=model,
        optimizer=optimizers.build(name="adam", variables=model.trainable_variables),
        augment=augmentation.build(name="none"),
        smooths_labels=False,
        jit_compile=registry.compiles_faster(name),
    )
    run_steps = program.steps_over(train.images, train.labels, seed=0)
    epochs = iter(range(1, 1000))

    def epoch() -> None:
        order = data_order(seed=0, epoch=next(epochs), examples=len(train), batch_size=BATCH)
        run_steps(order, np.full(len(order), 0.001, np.float32), 0, len(order), 0)

    return epoch


def fit_epoch(model: keras.Model, settings: Mapping[str, object], images: np.ndarray, labels: np.ndarray) -> Task:
    """Return a function that trains the model for an epoch with Keras' ``fit``."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.001), loss, metrics=["accuracy"], **settings)
    return lambda: model.fit(images, labels, batch_size=BATCH, epochs=1, verbose=0)


def main(name: str, rounds: int) -> None:
    """Compare epochs of the model; a first round, which compiles, is not counted."""
    dataset = data.load(directory=mnist(), download=False, mirrors=(), validation_fraction=0.1, split_seed=0)
    train, test = dataset.train, dataset.test
    images = train.images.astype("float32") / 255
    settings = FIT_SETTINGS if name == "mlp" else {"fit": {}}
    models = {label: build_model(name) for label in ("ours", *settings)}
    tasks = {"ours": our_epoch(models["ours"], name, train)}
    tasks |= {label: fit_epoch(models[label], settings[label], images, train.labels) for label in settings}
    alternate(tasks, rounds=1)
    print(f"{name}: seconds an epoch of {len(train):,} images, batch {BATCH}, Adam")
    report(alternate(tasks, rounds=rounds), "ours")
    images = test.images.astype("float32") / 255
    for label, model in models.items():
        accuracy = loss_and_accuracy(model.predict(images, verbose=0), test.labels)[1]
        print(f"{label:<44} test accuracy after {rounds + 1} epochs {accuracy:.4f}")


if __name__ == "__main__":
    for model_name in sys.argv[1:2] or ("mlp", "cnn"):
        main(model_name, int(sys.argv[2]) if len(sys.argv) > 2 else (7 if model_name == "mlp" else 3))

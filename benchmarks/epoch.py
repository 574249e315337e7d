"""An epoch on MNIST: our loop beside Keras' ``fit``, with the same model, optimizer and batches, in turn.

python benchmarks/epoch.py [mlp|cnn] [rounds]
"""

import sys

from measure import alternate, mnist, report

import keras  # isort: skip
import numpy as np  # isort: skip

from trialmaker.data import mnist as data
from trialmaker.models import registry
from trialmaker.training import augmentation, optimizers
from trialmaker.training.metrics import loss_and_accuracy
from trialmaker.training.program import Program, data_order

MODELS = {
    "mlp": {"hidden_units": [128, 128], "activation": "relu", "dropout_rate": 0.0, "batch_norm": False},
    "cnn": {
        "filters": [32, 64],
        "convolutions": 1,
        "kernel_size": 3,
        "padding": "valid",
        "pooling": "max",
        "pool_size": 2,
        "dense_units": [128],
        "activation": "relu",
        "dropout_rate": 0.0,
        "batch_norm": False,
    },
}
BATCH = 128


def main(name: str, rounds: int) -> None:
    """Compare epochs of the model; a first round, which compiles, is not counted."""
    split = data.load(directory=mnist(), download=False, mirrors=(), validation_fraction=0.1, split_seed=0)
    floats = split.train.images.astype("float32") / 255

    def build() -> keras.Model:
        keras.utils.set_random_seed(0)
        return registry.builder(name)(input_shape=(28, 28, 1), num_classes=10, **MODELS[name])

    model = build()
    ours = Program(
        model=model,
        optimizer=optimizers.build(name="adam", variables=model.trainable_variables),
        augment=augmentation.build(name="none"),
        smooths_labels=False,
        jit_compile=registry.compiles_faster(name),
    )
    run = ours.steps_over(split.train.images, split.train.labels, seed=0)
    epochs = iter(range(1, 1000))

    def our_epoch() -> None:
        order = data_order(seed=0, epoch=next(epochs), examples=len(split.train), batch_size=BATCH)
        run(order, np.full(len(order), 0.001, np.float32), 0, len(order), 0)

    tasks = {"ours": our_epoch}
    fitted = {"fit": {}, "fit, jit_compile, steps_per_execution=100": {"jit_compile": True, "steps_per_execution": 100}}
    rivals = {}
    for label, settings in fitted.items() if name == "mlp" else list(fitted.items())[:1]:
        rivals[label] = build()
        rivals[label].compile(
            keras.optimizers.Adam(0.001),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
            **settings,
        )
        tasks[label] = lambda model=rivals[label]: model.fit(
            floats, split.train.labels, batch_size=BATCH, epochs=1, verbose=0
        )
    alternate(tasks, rounds=1)
    print(f"{name}: seconds an epoch of {len(split.train):,} images, batch {BATCH}, Adam")
    report(alternate(tasks, rounds=rounds), "ours")
    floats = split.test.images.astype("float32") / 255
    for label, trained in {"ours": model, **rivals}.items():
        logits = trained.predict(floats, verbose=0)
        print(
            f"{label:<44} test accuracy after {rounds + 1} epochs {loss_and_accuracy(logits, split.test.labels)[1]:.4f}"
        )


if __name__ == "__main__":
    for chosen in sys.argv[1:2] or ("mlp", "cnn"):
        main(chosen, int(sys.argv[2]) if len(sys.argv) > 2 else (7 if chosen == "mlp" else 3))

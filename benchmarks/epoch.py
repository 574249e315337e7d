"""An epoch on MNIST: this project's loop beside Keras' ``fit``, PyTorch and JAX, with the same network and batches.

python benchmarks/epoch.py [--models mlp cnn] [--rounds 5] [--without torch jax]

All train an epoch in turn, in each round, with all cores of this process; PyTorch and JAX in processes of their own,
which hold their data meanwhile, in environments that are made once. A first round, which compiles, is not counted. The
limit is the rate of large products of matrices, measured in the same rounds. JAX trains the MLP alone: its convolutions
take minutes an epoch on CPUs.
"""

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from support.measure import alternate, mnist, report
from support.peer import PeerProcess, environment
from support.table import Row, record

# isort: split
import keras
import numpy as np
import tensorflow as tf

from trialmaker.data import mnist as data
from trialmaker.data.splits import Dataset
from trialmaker.platform import processor
from trialmaker.training import program_cache
from trialmaker.training.metrics import loss_and_accuracy
from trialmaker.training.program import Program, data_order

Task = Callable[[], object]
SAME: dict[str, Any] = {"activation": "relu", "dropout_rate": 0.0, "batch_norm": False, "initializer": "glorot_uniform"}
CONVOLUTIONS: dict[str, Any] = {
    "convolutions": 1,
    "kernel_size": 3,
    "padding": "valid",
    "pooling": "max",
    "pool_size": 2,
}
MODELS: dict[str, dict[str, Any]] = {
    "mlp": {"name": "mlp", "hidden_units": (128, 128), **SAME},
    "cnn": {
        "name": "cnn",
        "filters": (32, 64),
        **CONVOLUTIONS,
        "pool_after": "activation",
        "dense_units": (128,),
        **SAME,
    },
}
PRECISIONS = {"mlp": ("float32",), "cnn": ("float32", "bfloat16")}
FIT_SETTINGS: dict[str, dict[str, Any]] = {
    "fit": {},
    "fit, jit_compile, steps_per_execution=100": {"jit_compile": True, "steps_per_execution": 100},
}
BATCH, RATE = 128, 0.001
# Operations of an image's forward pass, by layer; each layer's gradients take twice that, but the first has one alone.
OPERATIONS = {
    "mlp": [2 * 784 * 128, 2 * 128 * 128, 2 * 128 * 10],
    "cnn": [2 * 26 * 26 * 9 * 32, 2 * 11 * 11 * 9 * 32 * 64, 2 * 1600 * 128, 2 * 128 * 10],
}
OWN_PRODUCTS = "its products of matrices alone, by XLA"
SIDE, PRODUCTS = 2048, 4  # of the matrices whose product is the limit, and how many of them
FOLDER = Path(__file__).resolve().parent


def our_program(name: str, precision: str, *, seed: int = 0) -> Program:
    """Return this project's program for the network, as a run with the default optimizer has it."""
    shape: dict[str, Any] = {"input_shape": (28, 28, 1), "num_classes": 10}
    weights = program_cache.initialized_model(model=MODELS[name], seed=seed, **shape).get_weights()
    return program_cache.prepare_program(
        weights=weights,
        model=MODELS[name],
        optimizer={"name": "adam", "learning_rate": RATE, "weight_decay": None},
        augment={"name": "none"},
        label_smoothing=0.0,
        jit_compile=None,
        precision=precision,
        **shape,
    )


def our_epoch(program: Program, dataset: Dataset) -> Task:
    """Return a function that trains an epoch with this project's compiled loop, its order of the data included."""
    run_steps = program.steps_over(dataset.train.images, dataset.train.labels, seed=0)
    epochs = iter(range(1, 1000))

    def epoch() -> None:
        order = data_order(seed=0, epoch=next(epochs), examples=len(dataset.train), batch_size=BATCH)
        run_steps(order, np.full(len(order), RATE, np.float32), 0, len(order), 0)

    return epoch


def fit_epoch(model: keras.Model, settings: Mapping[str, object], dataset: Dataset) -> Task:
    """Return a function that trains the model for an epoch with Keras' ``fit``."""
    images = dataset.train.images.astype(np.float32) / 255
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(RATE), loss, metrics=["accuracy"], **settings)
    return lambda: model.fit(images, dataset.train.labels, batch_size=BATCH, epochs=1, verbose=0)


def products(dtype: str) -> Task:
    """Return a function that multiplies large matrices."""
    matrix = tf.random.stateless_normal([SIDE, SIDE], [0, 0], dtype=dtype)

    @tf.function
    def product() -> tf.Tensor:  # each of another matrix, and none left out
        return tf.add_n([tf.matmul(matrix, matrix + index)[0, 0] for index in range(PRODUCTS)])

    return lambda: product().numpy()


def mlp_products(steps: int) -> Task:
    """Return a function that makes the products of matrices of so many steps of the MLP, compiled by XLA, alone."""
    shapes = {"images": (4, BATCH, 784), "errors": (4, BATCH, 10), "a": (784, 128), "b": (128, 128), "c": (128, 10)}
    drawn = {name: tf.random.stateless_normal(shape, [0, 0]) for name, shape in shapes.items()}

    @tf.function(jit_compile=True, autograph=False)
    def run(images: tf.Tensor, errors: tf.Tensor, a: tf.Tensor, b: tf.Tensor, c: tf.Tensor) -> tf.Tensor:
        def body(step: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            x, error = images[step % 4], errors[step % 4]  # else XLA would make the products once
            hidden = x @ a
            second = hidden @ b
            into_second = tf.matmul(error, c, transpose_b=True)
            into_hidden = tf.matmul(into_second, b, transpose_b=True)
            pairs = ((x, into_hidden), (hidden, into_second), (second, error))
            kernels = [tf.matmul(one, other, transpose_a=True) for one, other in pairs]
            return step + 1, total + tf.add_n([kernel[0, 0] for kernel in kernels]) + (second @ c)[0, 0]

        return tf.while_loop(lambda step, _: step < steps, body, (tf.constant(0), tf.constant(0.0)))[1]

    return lambda: run(**drawn).numpy()


def peers(name: str, without: list[str], path: Path, stack: ExitStack) -> dict[str, PeerProcess]:
    """Return the peers' processes, started, by their label."""
    commands: dict[str, list[str | Path]] = {}
    if "torch" not in without:
        python = environment("torch", "torch", "numpy")
        script = FOLDER / "peers" / "torch_epoch.py"
        commands["PyTorch"] = [python, script, path, name, "float32"]
        if name == "cnn":
            commands["PyTorch, autocast to bfloat16"] = [python, script, path, name, "bfloat16"]
    if "jax" not in without and name == "mlp":
        commands["JAX, a scan"] = [environment("jax", "jax[cpu]"), FOLDER / "peers" / "jax_epoch.py", path, name]
    return {label: stack.enter_context(PeerProcess(*command)) for label, command in commands.items()}


def write_data(dataset: Dataset, folder: Path) -> Path:
    """Write the training and test examples for the peers; return the file."""
    train, test = dataset.train, dataset.test
    np.savez(
        folder / "mnist.npz",
        pixels=train.images,
        images=train.images.astype(np.float32) / 255,
        labels=train.labels,
        test_images=test.images.astype(np.float32) / 255,
        test_labels=test.labels,
    )
    return folder / "mnist.npz"


def operations(name: str, images: int) -> int:
    """Return the operations of an epoch, forward and backward."""
    first, *others = OPERATIONS[name]
    return (2 * first + 3 * sum(others)) * (images // BATCH * BATCH)


def report_limit(name: str, seconds: Mapping[str, list[float]], images: int) -> None:
    """Print the rate of ours and of the limit, and their ratio, each at its best."""
    for precision in PRECISIONS[name]:
        ours = operations(name, images) / min(seconds[f"ours, {precision}"]) / 1e9
        limit = PRODUCTS * 2 * SIDE**3 / min(seconds[f"products of matrices, {precision}"]) / 1e9
        print(f"ours, {precision}: {ours:.0f} GFLOP/s, {ours / limit:.0%} of the {limit:.0f} of large products")


def main() -> None:
    """Compare epochs of each network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--without", nargs="+", choices=["torch", "jax"], default=[], help="peers to leave out")
    args = parser.parse_args()
    dataset = data.load(directory=mnist(), download=False, mirrors=(), validation_fraction=0.1, split_seed=0)
    onednn = "on" if processor.uses_onednn() else "off"
    print(f"{processor.instructions()}, {len(os.sched_getaffinity(0))} cores, oneDNN {onednn}")
    rows = [row for name in args.models for row in compare(name, dataset, args.rounds, args.without)]
    if not args.without and len(args.models) == len(MODELS):
        record("epoch", rows)


def compare(name: str, dataset: Dataset, rounds: int, without: list[str]) -> list[Row]:
    """Compare epochs of a network; return a row for each precision."""
    programs = {precision: our_program(name, precision) for precision in PRECISIONS[name]}
    tasks = {f"ours, {precision}": our_epoch(program, dataset) for precision, program in programs.items()}
    fitted = {}
    for label, settings in FIT_SETTINGS.items() if name == "mlp" else list(FIT_SETTINGS.items())[:1]:
        fitted[label] = keras.models.clone_model(programs["float32"].model)
        tasks[label] = fit_epoch(fitted[label], settings, dataset)
    with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        others = peers(name, without, write_data(dataset, Path(folder)), stack)
        tasks |= {label: partial(peer.ask, "epoch") for label, peer in others.items()}
        tasks |= {f"products of matrices, {precision}": products(precision) for precision in PRECISIONS[name]}
        if name == "mlp":
            tasks[OWN_PRODUCTS] = mlp_products(len(dataset.train) // BATCH)
        alternate(tasks, rounds=1)
        seconds = alternate(tasks, rounds=rounds, pause_seconds=0.3)  # until other processes' threads wait no more
        print(f"{name}: seconds an epoch of {len(dataset.train):,} images, batch {BATCH}, Adam")
        report(seconds, "ours, float32")
        report_limit(name, seconds, len(dataset.train))
        accuracies = {label: float(peer.ask("test")) for label, peer in others.items()}
    test = dataset.test
    accuracies |= {f"ours, {one}": program.evaluate(test.images, test.labels)[1] for one, program in programs.items()}
    for label, model in fitted.items():
        logits = model.predict(test.images.astype(np.float32) / 255, verbose=0)
        accuracies[label] = loss_and_accuracy(logits, test.labels)[1]
    ended = ", ".join(f"{label} {accuracy:.4f}" for label, accuracy in accuracies.items())
    print(f"test accuracy after {rounds + 1} epochs: {ended}")
    return [_row(name, precision, seconds, [*fitted, *others], len(dataset.train)) for precision in PRECISIONS[name]]


def _row(name: str, precision: str, seconds: Mapping[str, list[float]], others: list[str], images: int) -> Row:
    """Return a row, whose limit is that of products of the MLP's shapes, of the CNN the rate of large products."""
    large = statistics.median(seconds[f"products of matrices, {precision}"]) / (PRODUCTS * 2 * SIDE**3)
    limit = statistics.median(seconds[OWN_PRODUCTS]) if name == "mlp" else large * operations(name, images)
    limit_name = "the products of its matrices alone" if name == "mlp" else "the rate of large products"
    work = f"an epoch of the {name.upper()}, {precision}"
    return Row(work, "s", seconds[f"ours, {precision}"], {one: seconds[one] for one in others}, limit, limit_name)


if __name__ == "__main__":
    main()

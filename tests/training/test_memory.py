"""The memory that evaluation and training take: estimated from a model, bounded, and refused where it cannot be had."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
import psutil
import pytest
from hydra import compose, initialize_config_dir

from support.choices import values
from support.entry import Train
from trialmaker.config import resolvers, validation
from trialmaker.data.splits import Dataset, Split
from trialmaker.errors import UserError
from trialmaker.experiment import batch_size
from trialmaker.models import registry
from trialmaker.platform.paths import CONF
from trialmaker.training import augmentation, optimizers
from trialmaker.training.memory import activation_bytes, evaluation_batch, held_bytes
from trialmaker.training.program import Program

CNN = {"filters": [8, 8], "dense_units": [8], "dropout_rate": 0.0}


def model(name: str, side: int, channels: int, **fields: object) -> keras.Model:
    keras.utils.set_random_seed(0)
    given = values("model", name) | fields
    given.pop("name")
    return registry.builder(name)(input_shape=(side, side, channels), num_classes=10, **given)


def program(built: keras.Model) -> Program:
    return Program(
        model=built,
        optimizer=optimizers.build(name="sgd", variables=built.trainable_variables),
        augment=augmentation.build(name="none"),
        smooths_labels=False,
        jit_compile=False,
    )


@pytest.mark.parametrize(
    ("name", "side", "channels", "fields", "batch"),
    [
        ("mlp", 28, 1, {}, 500),
        ("cnn", 28, 1, {}, 167),
        ("cnn", 28, 1, {"filters": [32, 64, 128]}, 167),  # experiment=mnist_cnn
        ("cnn", 32, 3, {}, 128),
        ("cnn", 64, 3, CNN, 128),
        ("cnn", 224, 3, CNN, 10),
        ("cnn", 224, 3, {"filters": [32, 64], "dense_units": [8]}, 2),
    ],
)
def test_evaluation_takes_fewer_large_pictures_at_once(
    name: str, side: int, channels: int, fields: dict[str, object], batch: int
) -> None:
    assert evaluation_batch(model(name, side, channels, **fields)) == batch


def test_the_logits_do_not_depend_on_the_batch() -> None:
    built = program(model("cnn", 8, 1, **CNN))
    images = np.random.default_rng(0).integers(0, 256, (23, 8, 8, 1), np.uint8)
    expected = built.logits(images)
    assert expected.shape == (23, 10)
    for size in (1, 7, 22, 500):
        built.evaluation_batch = size
        np.testing.assert_allclose(built.logits(images), expected, rtol=0, atol=1e-5)


def test_evaluating_large_pictures_takes_little_memory() -> None:
    """500 at once took 830 MB here."""
    built = program(model("cnn", 224, 3, **CNN))
    images = np.zeros((500, 224, 224, 3), np.uint8)
    images += 1  # so that the pages are there
    built.logits(images[:1])
    before = psutil.Process().memory_info().rss
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    built.logits(images)
    assert peak_bytes() - before < 400e6


def peak_bytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def test_what_a_step_holds_is_its_layers_outputs() -> None:
    built = model("mlp", 28, 1)
    assert activation_bytes(built) == 4 * (784 + 4 * 128 + 10)
    assert held_bytes(built) == 4 * (784 + 2 * 128 + 10)


@contextmanager
def at_most(more_bytes: int) -> Iterator[None]:
    """Let this process have no more than so many bytes of address space in addition."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + more_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


@pytest.mark.parametrize(("precision", "filters"), [("float32", 2048), ("bfloat16", 4096)])
def test_a_training_that_can_not_fit_is_refused_with_what_would(precision: str, filters: int, train: Train) -> None:
    words = ["data=digits", "model=cnn", f"model.filters=[{filters}]", "model.kernel_size=1", "model.pool_size=1"]
    words += ["model.dense_units=[]", "training.batch_size=1024", "training.epochs=1", "optimizer=sgd"]
    words.append(f"training.precision={precision}")
    with at_most(8 * 10**9):
        result = train(*words)
    assert result.code == 2
    (line,) = result.err.splitlines()
    start = "train.py: error: training.batch_size=1024: training on images of 28x28x1 takes at least "
    assert line.startswith(start)
    needed, _, rest = line.removeprefix(start).partition(" GB of memory, and ")
    reachable, _, rest = rest.partition(" GB can be had; training.batch_size=")
    assert 13 < float(needed) < 15 and 5 < float(reachable) < 12 and 20 < int(rest.removesuffix(" fits")) < 220


def test_what_counts_is_an_instances_share_of_the_batch() -> None:
    resolvers.register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = validation.load(compose("config", ["data=digits", "training.batch_size=1000000"]))
    split = Split(np.zeros((8, 28, 28, 1), np.uint8), np.zeros(8, np.int32))
    dataset = Dataset("digits", "nowhere", tuple("0123456789"), split, split, split)
    built = model("cnn", 28, 1, **{**CNN, "filters": [256]})
    batch_size.check_memory(config, built, dataset, instances=10**7)
    with pytest.raises(UserError, match=r"^training\.batch_size=1000000, over 3 instances: .*=(\d+) fits$") as shared:
        batch_size.check_memory(config, built, dataset, instances=3)
    with pytest.raises(UserError, match=r"^training\.batch_size=1000000: ") as alone:
        batch_size.check_memory(config, built, dataset)
    fitting = [int(str(one.value).rpartition("=")[2].removesuffix(" fits")) for one in (alone, shared)]
    assert fitting[1] == pytest.approx(3 * fitting[0], rel=0.2)

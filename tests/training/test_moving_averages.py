"""The averages of batch normalization: those of a NumPy formula at every step, whatever they start with."""

import keras
import numpy as np
import pytest

from trialmaker.models import registry
from trialmaker.training import augmentation, optimizers
from trialmaker.training.program import Program, data_order

IMAGES = np.random.default_rng(0).integers(0, 256, (80, 4, 4, 1), np.uint8)
LABELS = np.zeros(80, np.int32)
MOMENTUM = 0.9
FIELDS = {
    "hidden_units": [3],
    "activation": "relu",
    "dropout_rate": 0.0,
    "batch_norm": True,
    "initializer": "glorot_uniform",
}


def program(jit_compile: bool = False) -> Program:
    keras.utils.set_random_seed(7)
    model = registry.builder("mlp")(input_shape=(4, 4, 1), num_classes=2, **FIELDS)
    return Program(
        model=model,
        optimizer=optimizers.build(name="sgd", variables=model.trainable_variables),
        augment=augmentation.build(name="none"),
        smooths_labels=False,
        jit_compile=jit_compile,
    )


def averages(built: Program, cuts: list[int], before: int = 0) -> np.ndarray:
    """Mean and variance, float32 [2, units], after steps that change no weight, made in calls that end at the cuts."""
    order = data_order(seed=1, epoch=1, examples=80, batch_size=8)
    run = built.steps_over(IMAGES, LABELS, seed=0)
    for start, stop in zip([0, *cuts], cuts, strict=False):
        run(order, np.zeros(len(order), np.float32), start, stop, before)
    return np.array(built.model.get_layer("norm_1").get_weights()[2:])


def expected(built: Program, steps: int) -> np.ndarray:
    """The same: Adam's corrected averages of the batches' means and variances."""
    kernel = built.model.get_layer("hidden_1").get_weights()[0]
    average = np.zeros((2, 3))
    for batch in data_order(seed=1, epoch=1, examples=80, batch_size=8)[:steps]:
        values = IMAGES[batch].reshape(8, -1) / 255 @ kernel
        average = MOMENTUM * average + (1 - MOMENTUM) * np.array([values.mean(axis=0), values.var(axis=0)])
    return average / (1 - MOMENTUM**steps)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_averages_are_right_from_the_first_step(jit_compile: bool) -> None:
    built = program(jit_compile)
    initial = built.model.get_weights()
    for steps in (1, 2, 3, 10):
        built.begin(initial)
        np.testing.assert_allclose(averages(built, [steps]), expected(built, steps), rtol=1e-4)


def test_what_they_start_with_and_where_calls_end_counts_nothing() -> None:
    """An earlier model's averages are of its own data: a training that starts from its weights takes none of them."""
    built = program()
    initial = built.model.get_weights()
    built.begin(initial)
    once = averages(built, [10])
    norm = built.model.get_layer("norm_1")
    norm.moving_mean.assign([1e3, -1e3, 0]), norm.moving_variance.assign([1e6, 0, 1])
    built.begin(built.model.get_weights())
    np.testing.assert_array_equal(averages(built, [1, 2, 7, 10]), once)


def test_after_many_steps_they_move_with_the_layers_own_momentum() -> None:
    built = program()
    built.begin(built.model.get_weights())
    mean = averages(built, [1])[0]
    built.model.get_layer("norm_1").moving_mean.assign([0, 0, 0])
    np.testing.assert_allclose(averages(built, [1], before=10**6)[0], (1 - MOMENTUM) * mean, rtol=1e-5)

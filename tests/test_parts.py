"""Models, optimizers, schedules and augmentations: every choice builds, and does what its name says."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from trialmaker.errors import UserError
from trialmaker.models import registry
from trialmaker.models.dropout import Dropout
from trialmaker.platform.paths import CONF
from trialmaker.training import augmentation, optimizers, schedules


def values(group, name):
    return yaml.safe_load((CONF / group / f"{name}.yaml").read_text())


def build_model(name, shape=(28, 28, 1), **changes):
    fields = values("model", name) | changes
    return registry.builder(fields.pop("name"))(input_shape=shape, num_classes=10, **fields)


# ---- models


@pytest.mark.parametrize(
    ("name", "changes", "parameters"),
    [
        ("mlp", {}, 118_282),
        ("mlp", {"hidden_units": []}, 7_850),
        ("mlp", {"hidden_units": [4, 5, 6], "dropout_rate": 0.5}, 3_140 + 25 + 36 + 70),
        ("mlp", {"hidden_units": [4], "batch_norm": True}, 784 * 4 + 4 * 4 + 50),
        ("cnn", {"filters": [4], "dense_units": [], "batch_norm": False}, 40 + 14 * 14 * 4 * 10 + 10),
        ("cnn", {"filters": [4], "convolutions": 2, "dense_units": [], "batch_norm": False}, 40 + 148 + 7_850),
        ("cnn", {"filters": [4, 8], "padding": "valid", "pooling": "average", "activation": "gelu"}, 27_774),
    ],
)
def test_a_model_has_the_parameters_of_its_architecture(name, changes, parameters):
    model = build_model(name, **changes)
    assert model.count_params() == parameters
    assert model(np.zeros((3, 28, 28, 1), np.float32)).shape == (3, 10)


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_models_take_colour_and_any_size(name):
    assert build_model(name, shape=(17, 40, 3))(np.zeros((2, 17, 40, 3), np.float32)).shape == (2, 10)


def test_too_many_blocks_for_the_picture_are_refused():
    with pytest.raises(UserError) as caught:
        build_model("cnn", filters=[1] * 5)
    assert str(caught.value) == (
        "model.filters: after block 5 of 5 nothing is left of pictures of 28x28 pixels:"
        " use fewer blocks or a smaller model.pool_size"
    )


@settings(deadline=None, max_examples=60)
@given(
    blocks=st.integers(1, 5),
    convolutions=st.integers(1, 3),
    kernel=st.integers(1, 6),
    pool=st.integers(1, 4),
    side=st.integers(4, 30),
    padding=st.sampled_from(["same", "valid"]),
)
def test_any_cnn_is_built_or_refused(blocks, convolutions, kernel, pool, side, padding):
    fields = {"filters": [1] * blocks, "convolutions": convolutions, "kernel_size": kernel, "pool_size": pool}
    try:
        model = build_model("cnn", shape=(side, side, 1), padding=padding, dense_units=[], batch_norm=False, **fields)
    except UserError:
        return
    assert min(size for layer in model.layers for size in layer.output.shape[1:]) >= 1


# ---- optimizers


@pytest.mark.parametrize("name", sorted(path.stem for path in (CONF / "optimizer").glob("*.yaml")))
def test_every_optimizer_with_its_default_values_learns(name):
    fields = values("optimizer", name)
    rate = fields.pop("learning_rate")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    target = np.array([[1.0], [-2.0], [0.5], [3.0]], np.float32)
    inputs = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)
    optimizer = optimizers.build(
        **fields | {"weight_decay": 0.001, "global_clipnorm": 1.0},
        variables=model.trainable_variables,
    )
    optimizer.learning_rate = rate

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(inputs) - inputs @ target) ** 2)
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    first = float(step())
    for _ in range(200):
        last = float(step())
    assert last < 0.97 * first


def test_weight_decay_pulls_kernels_and_leaves_biases():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, bias_initializer="ones")])
    kernel, bias = (variable.numpy() for variable in model.trainable_variables)
    optimizer = optimizers.build(name="sgd", variables=model.trainable_variables, weight_decay=0.5)
    optimizer.learning_rate = 0.1
    optimizer.apply([tf.zeros_like(kernel), tf.zeros_like(bias)], model.trainable_variables)
    np.testing.assert_allclose(model.trainable_variables[0], kernel * 0.95, rtol=1e-5)
    np.testing.assert_array_equal(model.trainable_variables[1], bias)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_dropout_drops_its_share_and_keeps_the_mean(rate: float) -> None:
    layer = Dropout(rate, seed=1)
    dropped = np.asarray(layer(np.ones((127, 333), np.float32), training=True))
    assert set(np.unique(dropped)) == {0.0, np.float32(1 / (1 - rate))}
    spread = (rate * (1 - rate) / dropped.size) ** 0.5
    assert abs((dropped == 0).mean() - rate) < 5 * spread
    assert abs((dropped == 0).mean(axis=0) - rate).max() < 0.25  # no column apart
    again = np.asarray(layer(np.ones((127, 333), np.float32), training=True))
    both = ((dropped == 0) & (again == 0)).mean()
    assert abs(both - rate**2) < 5 * (rate**2 * (1 - rate**2) / dropped.size) ** 0.5  # independent from step to step
    np.testing.assert_array_equal(layer(np.ones((2, 3), np.float32)), 1)


# ---- schedules: 4 epochs of 25 steps


def rates(name, **changes):
    fields = values("schedule", name) | changes
    shape = schedules.schedule(**fields, learning_rate=2.0, steps_per_epoch=25, epochs=4)
    return shape(tf.range(100.0)).numpy()


def test_constant():
    assert set(rates("constant")) == {2.0}


def test_exponential_multiplies_by_its_rate_each_epoch():
    np.testing.assert_allclose(rates("exponential", decay_rate=0.5)[[0, 25, 50]], [2, 1, 0.5], rtol=1e-6)


def test_cosine_rises_in_its_warm_up_and_is_that_of_keras_after_it():
    ours = rates("cosine", warmup_epochs=1.0, final_fraction=0.1)
    theirs = keras.optimizers.schedules.CosineDecay(2.0, 75, alpha=0.1)
    np.testing.assert_allclose(ours[:25], np.arange(1, 26) * 2 / 25, rtol=1e-5)
    np.testing.assert_allclose(ours[25:], [float(theirs(step)) for step in range(75)], rtol=1e-5)


def test_cosine_without_warm_up_starts_at_the_top():
    assert rates("cosine", warmup_epochs=0.0)[0] == 2.0


def test_one_cycle_rises_to_the_top_and_falls_to_nothing():
    ours = rates("one_cycle", warmup_fraction=0.3, initial_fraction=0.04, final_fraction=0.0)
    assert ours[0] == pytest.approx(0.08)
    assert ours.argmax() == 30 and ours[30] == pytest.approx(2.0)
    assert (np.diff(ours[:31]) > 0).all() and (np.diff(ours[30:]) < 0).all()
    assert ours[-1] < 0.01


# ---- augmentations


SEED = tf.constant([1, 2])
PICTURES = np.random.default_rng(0).random((64, 9, 7, 2)).astype(np.float32)


def test_none_changes_nothing():
    assert np.array_equal(augmentation.build(name="none")(PICTURES, SEED), PICTURES)


def test_shift_moves_each_picture_by_whole_pixels_and_fills_with_zeros():
    shifted = np.asarray(augmentation.build(name="shift", pixels=2)(tf.constant(PICTURES), SEED))
    seen = set()
    for before, after in zip(PICTURES, shifted, strict=True):
        padded = np.pad(before, ((2, 2), (2, 2), (0, 0)))
        fits = [(y, x) for y in range(5) for x in range(5) if np.array_equal(padded[y : y + 9, x : x + 7], after)]
        assert len(fits) == 1
        seen |= set(fits)
    assert len(seen) > 20, "of 25 possible shifts, 64 pictures should show most"


def test_affine_of_nothing_changes_nothing():
    still = augmentation.build(name="affine", degrees=0.0, scale=0.0, shear=0.0, pixels=0.0)(
        tf.constant(PICTURES), SEED
    )
    np.testing.assert_allclose(still, PICTURES, atol=1e-5)


def test_bilinear_takes_pixels_between_pixels_and_zero_outside():
    picture = tf.reshape(tf.range(12, dtype=tf.float32), (1, 3, 4, 1))
    y, x = tf.constant([[[1.0, 0.5, -5.0]]]), tf.constant([[[2.0, 0.5, 1.0]]])
    assert augmentation._bilinear(picture, tf.tile(y, (1, 3, 2))[:, :, :4], tf.tile(x, (1, 3, 2))[:, :, :4])[
        0, 0, :3, 0
    ].numpy().tolist() == [6.0, 2.5, 0.0]


def test_affine_rotates_about_the_centre():
    dot = np.zeros((256, 9, 9, 1), np.float32)
    dot[:, 4, 7] = 1.0
    turned = np.asarray(augmentation.build(name="affine", degrees=180.0, scale=0.0, shear=0.0, pixels=0.0)(dot, SEED))
    y, x = np.meshgrid(np.arange(9) - 4, np.arange(9) - 4, indexing="ij")
    weight = turned[..., 0] / turned.sum((1, 2, 3))[:, None, None]
    radius = np.hypot((weight * y).sum((1, 2)), (weight * x).sum((1, 2)))
    np.testing.assert_allclose(radius, 3.0, atol=0.35)
    angles = np.arctan2((weight * y).sum((1, 2)), (weight * x).sum((1, 2)))
    assert np.histogram(angles, 8, (-np.pi, np.pi))[0].min() > 10, "evenly over the circle"


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("name", ["shift", "affine"])
def test_an_augmentation_is_a_pure_function_of_its_seed(name, jit_compile):
    change = tf.function(augmentation.build(**values("augment", name)), jit_compile=jit_compile)
    first, again, other = (np.asarray(change(tf.constant(PICTURES), seed)) for seed in (SEED, SEED, SEED + 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)

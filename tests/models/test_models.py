"""Every architecture: its parameters, its sizes, its dropout."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from support.choices import values
from trialmaker.errors import UserError
from trialmaker.models import registry
from trialmaker.models.dropout import Dropout


def build_model(name, shape=(28, 28, 1), **changes):
    keras.utils.set_random_seed(0)
    fields = values("model", name) | changes
    return registry.builder(fields.pop("name"))(input_shape=shape, num_classes=10, **fields)


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


@pytest.mark.parametrize(
    ("recipe", "shape", "parameters"),
    [
        ("digits_mlp", (8, 8, 1), 85_002),
        ("mnist_98_fast", (28, 28, 1), 119_050),
        ("mnist_99_fast", (28, 28, 1), 55_834),
        ("mnist_best", (28, 28, 1), 299_306),
        ("mnist_cnn", (28, 28, 1), 104_874),
        ("mnist_mlp", (28, 28, 1), 669_706),
    ],
)
def test_a_recipe_has_a_network_for_its_pictures(recipe, shape, parameters):
    fields = values("experiment", recipe)
    (name,) = (choice["override /model"] for choice in fields["defaults"] if "override /model" in choice)
    assert build_model(name, shape, **fields["model"]).count_params() == parameters


@pytest.mark.parametrize(
    ("name", "changes", "rates"),
    [
        ("mlp", {"dropout_rate": 0.2}, {"hidden_1": 0.2, "hidden_2": 0.2}),
        ("mlp", {"dropout_rate": [0.0, 0.3]}, {"hidden_2": 0.3}),
        ("cnn", {"dropout_rate": 0.3}, {"conv_2_1": 0.3, "dense_1": 0.3}),
        ("cnn", {"dropout_rate": [0.1, 0.0, 0.5]}, {"conv_1_1": 0.1, "dense_1": 0.5}),
        ("cnn", {"dropout_rate": 0.0}, {}),
        ("keras_mnist_cnn", {}, {"conv_2_1": 0.25, "dense_1": 0.5}),
    ],
)
def test_dropout_comes_after_these_layers_at_these_rates(name, changes, rates):
    positions, last = {}, ""
    for layer in build_model(name, **changes).layers:
        last = layer.name if layer.name.startswith(("hidden", "conv", "dense")) else last
        if isinstance(layer, Dropout):
            positions[last] = layer.rate
    assert positions == rates


@pytest.mark.parametrize(
    ("initializer", "deviation", "limit"),
    [
        ("glorot_uniform", (6 / (784 + 128) / 3) ** 0.5, (6 / (784 + 128)) ** 0.5),
        ("he_uniform", (6 / 784 / 3) ** 0.5, (6 / 784) ** 0.5),
        ("truncated_normal", 0.088, 0.2),
    ],
)
def test_kernels_are_drawn_by_the_initializer(initializer, deviation, limit):
    first, second = (build_model("mlp", initializer=initializer).get_layer("hidden_1").kernel.numpy() for _ in range(2))
    assert first.std() == pytest.approx(deviation, rel=0.01) and 0.95 * limit < first.max() <= limit
    np.testing.assert_array_equal(first, second)


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


@pytest.mark.parametrize("rate", [0.1, 0.3])
def test_dropout_in_bfloat16_rounds_what_it_keeps_once(rate: float) -> None:
    layer, inputs = Dropout(rate, seed=1, dtype="bfloat16"), tf.cast(tf.linspace(1.0, 2.0, 129), tf.bfloat16)
    layer.rate = tf.Variable(rate)
    dropped = layer(inputs, training=True)
    assert dropped.dtype == tf.bfloat16
    expected = tf.cast(tf.cast(inputs, tf.float32) / (1.0 - layer.rate), tf.bfloat16)
    np.testing.assert_array_equal(dropped, tf.where(dropped == 0, dropped, expected))


@pytest.mark.parametrize("shape", [(7, 3), (8, 3, 3, 2)])
@pytest.mark.parametrize("first", [0, 3, 6])
def test_dropout_of_a_part_of_a_batch_is_that_of_the_whole(shape, first):
    whole, part = Dropout(0.4), Dropout(0.4)
    for layer in (whole, part):
        layer.seed_generator.state.assign([5, 8])
    inputs = np.random.default_rng(0).random(shape).astype(np.float32)
    part.part_of = lambda: (first, len(inputs))
    ours = part(inputs[first : first + 3], training=True)
    np.testing.assert_array_equal(ours, np.asarray(whole(inputs, training=True))[first : first + 3])

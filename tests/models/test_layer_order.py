"""The network is the one that its fields describe: layer by layer that of plain Keras, with the same weights."""

from itertools import product

import keras
import numpy as np
import pytest
from keras import layers

from support.choices import values
from trialmaker.models import cnn, registry
from trialmaker.platform.paths import CONF

ACTIVATIONS = ("relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "tanh", "sigmoid")
ORDERS = {
    "activation": ("convolution", "norm", "activation", "pool"),
    "convolution": ("convolution", "pool", "norm", "activation"),
}
IMAGES = np.random.default_rng(0).random((6, 8, 8, 1)).astype(np.float32)


def reference(order: str, pooling: str, activation: str, batch_norm: bool) -> keras.Sequential:
    """Two blocks, a dense layer of 5 and the logits."""
    kinds = {
        "convolution": lambda: layers.Conv2D(4, 3, padding="same", use_bias=not batch_norm),
        "norm": lambda: layers.BatchNormalization(momentum=cnn.NORM_MOMENTUM) if batch_norm else layers.Identity(),
        "activation": lambda: layers.Activation(activation),
        "pool": lambda: {"max": layers.MaxPooling2D, "average": layers.AveragePooling2D}[pooling](2),
    }
    blocks = [kinds[kind]() for _ in range(2) for kind in ORDERS[order]]
    dense = [layers.Flatten(), layers.Dense(5, use_bias=not batch_norm), kinds["norm"](), kinds["activation"]()]
    return keras.Sequential([keras.Input((8, 8, 1)), *blocks, *dense, layers.Dense(3)])


def ours(order: str, pooling: str, activation: str, batch_norm: bool) -> keras.Model:
    return cnn.build(
        input_shape=(8, 8, 1),
        num_classes=3,
        filters=[4, 4],
        convolutions=1,
        kernel_size=3,
        padding="same",
        pooling=pooling,
        pool_size=2,
        pool_after=order,
        dense_units=[5],
        activation=activation,
        dropout_rate=0.0,
        batch_norm=batch_norm,
        initializer="glorot_uniform",
    )


def random_weights(model: keras.Model) -> list[np.ndarray]:
    """Draw weights of both signs; variances are positive."""
    draw = np.random.default_rng(1)
    drawn = {weight.path: draw.normal(0, 0.7, weight.shape) for weight in model.weights}
    return [np.abs(value) if path.endswith("variance") else value for path, value in drawn.items()]


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("order", ORDERS)
def test_the_network_is_that_of_plain_keras(order: str, activation: str) -> None:
    for pooling, batch_norm in product(("max", "average"), (False, True)):
        model, expected = (make(order, pooling, activation, batch_norm) for make in (ours, reference))
        expected.set_weights(random_weights(model))
        model.set_weights(expected.get_weights())
        for training in (False, True):
            logits = expected(IMAGES, training=training)
            np.testing.assert_allclose(model(IMAGES, training=training), logits, rtol=1e-4, atol=1e-4)
        for one, other in zip(model.get_weights(), expected.get_weights(), strict=True):  # with the moving averages
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("order", "pooling", "activation", "batch_norm", "layer_before_pooling"),
    [
        ("activation", "max", "relu", False, "Conv2D"),
        ("activation", "max", "sigmoid", True, "BatchNormalization"),
        ("activation", "max", "gelu", False, "Activation"),
        ("activation", "average", "relu", False, "Activation"),
        ("convolution", "max", "relu", True, "Conv2D"),
        ("convolution", "average", "gelu", True, "Conv2D"),
    ],
)
def test_pooling_comes_early_where_that_is_the_same_function(
    order: str, pooling: str, activation: str, batch_norm: bool, layer_before_pooling: str
) -> None:
    names = [type(layer).__name__ for layer in ours(order, pooling, activation, batch_norm).layers]
    pool = names.index("MaxPooling2D" if pooling == "max" else "AveragePooling2D")
    assert names[pool - 1] == layer_before_pooling


def sequential(shape: tuple[int, int, int], *middle: keras.Layer) -> keras.Sequential:
    return keras.Sequential([keras.Input(shape), *middle, layers.Dense(10)])


def conv(filters: int, kernel: int, padding: str = "valid", activation: str = "relu") -> keras.Layer:
    return layers.Conv2D(filters, kernel, padding=padding, activation=activation)


def dense(units: int, activation: str = "relu") -> keras.Layer:
    return layers.Dense(units, activation=activation)


def pool() -> keras.Layer:
    return layers.MaxPooling2D()


def average() -> keras.Layer:
    return layers.AveragePooling2D(2)


def flat() -> keras.Layer:
    return layers.Flatten()


NAMED = {
    "lenet5": (
        61_706,
        lambda: [
            *(conv(6, 5, "same", "tanh"), average(), conv(16, 5, "valid", "tanh"), average()),
            *(flat(), dense(120, "tanh"), dense(84, "tanh")),
        ],
    ),
    "keras_mnist_cnn": (1_199_882, lambda: [conv(32, 3), conv(64, 3), pool(), flat(), dense(128)]),
    "keras_mnist_convnet": (34_826, lambda: [conv(32, 3), pool(), conv(64, 3), pool(), flat()]),
    "tensorflow_cnn": (
        93_322,
        lambda: [conv(32, 3), pool(), conv(64, 3), pool(), conv(64, 3), flat(), dense(64)],
    ),
    "cnn_5x5_3x3": (59_933, lambda: [conv(30, 5), pool(), conv(15, 3), pool(), flat(), dense(128), dense(50)]),
    "modelmaker": (
        3_274_634,
        lambda: [conv(32, 5, "same"), pool(), conv(64, 5, "same"), pool(), flat(), dense(1024)],
    ),
}


def named(name: str, shape: tuple[int, int, int] = (28, 28, 1)) -> keras.Model:
    fields = values("model", name)
    return registry.builder(fields.pop("name"))(input_shape=shape, num_classes=10, **fields)


@pytest.mark.parametrize("name", NAMED)
def test_a_named_network_is_the_published_one(name: str) -> None:
    parameters, published_layers = NAMED[name]
    model, published = named(name), sequential((28, 28, 1), *published_layers())
    assert model.count_params() == published.count_params() == parameters
    assert f"{parameters:,} " in (CONF / "model" / f"{name}.yaml").read_text()
    model.set_weights(published.get_weights())
    images = np.random.default_rng(0).random((3, 28, 28, 1)).astype(np.float32)
    np.testing.assert_allclose(model(images), published(images), rtol=1e-4, atol=1e-5)


def test_tensorflows_tutorial_has_its_parameters_on_its_own_pictures() -> None:
    assert named("tensorflow_cnn", (32, 32, 3)).count_params() == 122_570


def test_every_file_in_conf_is_a_named_network_or_a_default() -> None:
    assert {path.stem for path in (CONF / "model").glob("*.yaml")} == {*NAMED, "mlp", "cnn"}


def test_a_list_has_a_value_for_each_block() -> None:
    fields = values("model", "cnn") | {
        "filters": [2, 3, 4],
        "convolutions": [1, 2, 1],
        "kernel_size": [5, 3, 1],
        "padding": ["valid", "same", "same"],
        "pooling": ["none", "average", "max"],
        "pool_size": [2, 3, 1],
        "dense_units": [],
        "batch_norm": False,
        "dropout_rate": 0.0,
    }
    del fields["name"]
    model = cnn.build(input_shape=(28, 28, 1), num_classes=10, **fields)
    published = [conv(2, 5), conv(3, 3, "same"), conv(3, 3, "same"), layers.AveragePooling2D(3), conv(4, 1), flat()]
    expected = sequential((28, 28, 1), *published)
    model.set_weights(expected.get_weights())
    images = np.random.default_rng(0).random((3, 28, 28, 1)).astype(np.float32)
    np.testing.assert_allclose(model(images), expected(images), rtol=1e-4, atol=1e-5)

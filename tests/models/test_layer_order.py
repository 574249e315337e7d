"""The network is the one that its fields describe: layer by layer that of plain Keras, with the same weights."""

from itertools import product

import keras
import numpy as np
import pytest
from keras import layers

from trialmaker.models import cnn

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

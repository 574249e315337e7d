"""A convolutional network: blocks of convolutions and pooling, then dense layers."""

from collections.abc import Sequence

import keras
from keras import layers

from trialmaker.errors import UserError
from trialmaker.models.dropout import Dropout

XLA_IS_FASTER_ON_CPU = False  # measured: its CPU convolutions are several times slower than oneDNN's

MONOTONE = frozenset(
    {"relu", "leaky_relu", "elu", "selu", "tanh", "sigmoid"}
)  # never fall, so that max pooling commutes
NORM_MOMENTUM = 0.9  # Keras' 0.99 averages over a hundred steps, in which the weights have moved on


def build(
    *,
    input_shape: tuple[int, int, int],
    num_classes: int,
    filters: Sequence[int],
    convolutions: int,
    kernel_size: int,
    padding: str,
    pooling: str,
    pool_size: int,
    pool_after: str,
    dense_units: Sequence[int],
    activation: str,
    dropout_rate: float,
    batch_norm: bool,
) -> keras.Model:
    """Build a block for each entry of ``filters``, then a dense layer for each entry of ``dense_units``.

    Args:
        input_shape: (H, W, C) of one image.
        filters, ...: the fields of ``conf/model/cnn.yaml``; ``Cnn`` in ``config/schema.py`` has their ranges and units.

    Returns:
        A model from ``images``, float32 [N, H, W, C] in [0, 1], to ``logits``, float32 [N, num_classes].

    Raises:
        UserError: the image is too small for so many blocks: one would have less than one pixel.
    """
    _check_size(input_shape, len(filters), convolutions, kernel_size if padding == "valid" else 1, pool_size)
    pool = {"max": layers.MaxPooling2D, "average": layers.AveragePooling2D}[pooling]
    images = x = keras.Input(input_shape, name="images")
    for block, channels in enumerate(filters, start=1):
        for number in range(1, convolutions + 1):
            name = f"{block}_{number}"
            x = layers.Conv2D(channels, kernel_size, padding=padding, use_bias=not batch_norm, name=f"conv_{name}")(x)
            pools = [pool(pool_size)] if number == convolutions and pool_size > 1 else []
            for layer in _after_convolution(pools, _norms(batch_norm, name), activation, pool_after):
                x = layer(x)
    x = _dense_layers(layers.Flatten()(x), dense_units, activation, dropout_rate, batch_norm)
    return keras.Model(images, layers.Dense(num_classes, name="logits")(x), name="cnn")


def _dense_layers(
    x: keras.KerasTensor, dense_units: Sequence[int], activation: str, dropout_rate: float, batch_norm: bool
) -> keras.KerasTensor:
    for number, units in enumerate(dense_units, start=1):
        x = Dropout(dropout_rate)(x) if dropout_rate else x
        x = layers.Dense(units, use_bias=not batch_norm, name=f"dense_{number}")(x)
        for layer in [*_norms(batch_norm, f"dense_{number}"), layers.Activation(activation)]:
            x = layer(x)
    return Dropout(dropout_rate)(x) if dropout_rate else x


def _norms(batch_norm: bool, name: str) -> list[keras.Layer]:
    return [layers.BatchNormalization(momentum=NORM_MOMENTUM, name=f"norm_{name}")] if batch_norm else []


def _after_convolution(
    pools: list[keras.Layer], norms: list[keras.Layer], activation: str, pool_after: str
) -> list[keras.Layer]:
    """Return the layers after a convolution, in their order.

    Max pooling before a monotone activation is the same function as after it, and leaves fewer values to activate.
    """
    activations = [layers.Activation(activation)]
    if pool_after == "convolution":
        return pools + norms + activations
    commute = activation in MONOTONE and all(isinstance(pool, layers.MaxPooling2D) for pool in pools)
    return norms + pools + activations if commute else norms + activations + pools


def _check_size(shape: tuple[int, int, int], blocks: int, convolutions: int, kernel: int, pool: int) -> None:
    side = min(shape[:2])
    for block in range(1, blocks + 1):
        side = (side - convolutions * (kernel - 1)) // pool
        if side < 1:
            raise UserError(
                f"model.filters: after block {block} of {blocks} nothing is left of pictures of"
                f" {shape[0]}x{shape[1]} pixels: use fewer blocks or a smaller model.pool_size"
                + (" or model.padding=same" if kernel > 1 else "")
            )

"""A convolutional network: blocks of convolutions and pooling, then dense layers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from trialmaker.errors import UserError
from trialmaker.models.batch_normalization import BatchNormalization
from trialmaker.models.dropout import Dropout
from trialmaker.models.per_layer import kernel_initializer, one_for_each

XLA_IS_FASTER_ON_CPU = False  # measured: its CPU convolutions are several times slower than oneDNN's

POOLINGS = {"max": layers.MaxPooling2D, "average": layers.AveragePooling2D}
# They never fall, so that max pooling commutes with them.
MONOTONE = frozenset({"relu", "leaky_relu", "elu", "selu", "tanh", "sigmoid"})
NORM_MOMENTUM = 0.9  # Keras' 0.99 averages over a hundred steps, in which the weights have moved on


@dataclass(frozen=True)
class _Block:
    filters: int
    convolutions: int
    kernel_size: int
    padding: str
    pooling: str
    pool_size: int

    @property
    def pools(self) -> bool:
        return self.pooling != "none" and self.pool_size > 1

    def side_after(self, side: int) -> int:
        """Return the pixels along one side of what it makes of a picture; less than 1 where nothing is left."""
        lost = self.convolutions * (self.kernel_size - 1) if self.padding == "valid" else 0
        return (side - lost) // (self.pool_size if self.pools else 1)


@dataclass(frozen=True)
class _Style:
    """What all layers but the last have in common: the fields of these names."""

    activation: str
    batch_norm: bool
    initializer: str
    pool_after: str


def build(
    *,
    input_shape: tuple[int, int, int],
    num_classes: int,
    filters: Sequence[int],
    convolutions: int | Sequence[int],
    kernel_size: int | Sequence[int],
    padding: str | Sequence[str],
    pooling: str | Sequence[str],
    pool_size: int | Sequence[int],
    pool_after: str,
    dense_units: Sequence[int],
    activation: str,
    dropout_rate: float | Sequence[float],
    batch_norm: bool,
    initializer: str,
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
    blocks = _blocks(filters, convolutions, kernel_size, padding, pooling, pool_size)
    _check_size(input_shape, blocks)
    style = _Style(activation, batch_norm, initializer, pool_after)
    rates = iter(_dropout_rates(dropout_rate, len(blocks), len(dense_units)))
    images = x = keras.Input(input_shape, name="images")
    for number, block in enumerate(blocks, start=1):
        x = _drop(_add_block(x, block, number, style), next(rates))
    x = layers.Flatten()(x)
    for number, units in enumerate(dense_units, start=1):
        x = _drop(_add_dense(x, units, f"dense_{number}", style), next(rates))
    return keras.Model(images, _logits(x, num_classes, style), name="cnn")


def gains_from_bfloat16(*, filters: Sequence[int], **_: Any) -> bool:
    """Return whether a step is faster in bfloat16 on CPUs that compute in it, by the fields of ``build``.

    Measured: 1.5 to 1.9 times as fast where filters come in sixteens, as values in a vector; with 8 or 24, slower.
    """
    return all(count % 16 == 0 for count in filters)


def _blocks(filters: Sequence[int], *fields: Any) -> list[_Block]:
    by_block = (one_for_each(value, len(filters)) for value in fields)
    return [_Block(*values) for values in zip(filters, *by_block, strict=True)]


def _dropout_rates(dropout_rate: float | Sequence[float], blocks: int, dense_layers: int) -> tuple[float, ...]:
    """Return the rate after each block and each dense layer; a single one is for what comes before dense layers."""
    if isinstance(dropout_rate, Sequence):
        return one_for_each(dropout_rate, blocks + dense_layers)
    return (0.0,) * (blocks - 1) + (dropout_rate,) * (1 + dense_layers)


def _drop(x: keras.KerasTensor, rate: float) -> keras.KerasTensor:
    return Dropout(rate)(x) if rate else x


def _add_block(x: keras.KerasTensor, block: _Block, number: int, style: _Style) -> keras.KerasTensor:
    for convolution in range(1, block.convolutions + 1):
        name = f"{number}_{convolution}"
        x = layers.Conv2D(
            block.filters,
            block.kernel_size,
            padding=block.padding,
            use_bias=not style.batch_norm,
            kernel_initializer=kernel_initializer(style.initializer),
            name=f"conv_{name}",
        )(x)
        is_last = convolution == block.convolutions
        pools = [POOLINGS[block.pooling](block.pool_size)] if is_last and block.pools else []
        for layer in _finish_layer(pools, name, style):
            x = layer(x)
    return x


def _add_dense(x: keras.KerasTensor, units: int, name: str, style: _Style) -> keras.KerasTensor:
    initializer = kernel_initializer(style.initializer)
    x = layers.Dense(units, use_bias=not style.batch_norm, kernel_initializer=initializer, name=name)(x)
    for layer in _finish_layer([], name, style):
        x = layer(x)
    return x


def _logits(x: keras.KerasTensor, num_classes: int, style: _Style) -> keras.KerasTensor:
    return layers.Dense(num_classes, kernel_initializer=kernel_initializer(style.initializer), name="logits")(x)


def _finish_layer(pools: list[keras.Layer], name: str, style: _Style) -> list[keras.Layer]:
    """Return the layers after a convolution or a dense layer, in their order.

    Max pooling before a monotone activation is the same function as after it, and leaves fewer values to activate.
    """
    norms = [BatchNormalization(momentum=NORM_MOMENTUM, name=f"norm_{name}")] if style.batch_norm else []
    activations = [layers.Activation(style.activation)]
    if style.pool_after == "convolution":
        return pools + norms + activations
    commute = style.activation in MONOTONE and all(isinstance(pool, layers.MaxPooling2D) for pool in pools)
    return norms + pools + activations if commute else norms + activations + pools


def _check_size(shape: tuple[int, int, int], blocks: Sequence[_Block]) -> None:
    side = min(shape[:2])
    for number, block in enumerate(blocks, start=1):
        side = block.side_after(side)
        if side < 1:
            shrinks = any(one.padding == "valid" and one.kernel_size > 1 for one in blocks[:number])
            raise UserError(
                f"model.filters: after block {number} of {len(blocks)} nothing is left of pictures of"
                f" {shape[0]}x{shape[1]} pixels: use fewer blocks or a smaller model.pool_size"
                + (" or model.padding=same" if shrinks else "")
            )

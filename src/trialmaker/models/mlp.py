"""A multi-layer perceptron."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from trialmaker.models.batch_normalization import BatchNormalization
from trialmaker.models.dropout import Dropout
from trialmaker.models.per_layer import kernel_initializer, one_for_each

XLA_IS_FASTER_ON_CPU = True  # measured

NORM_MOMENTUM = 0.9  # Keras' 0.99 averages over a hundred steps, in which the weights have moved on


def build(
    *,
    input_shape: tuple[int, int, int],
    num_classes: int,
    hidden_units: Sequence[int],
    activation: str,
    dropout_rate: float | Sequence[float],
    batch_norm: bool,
    initializer: str,
) -> keras.Model:
    """Build dense layers over the flattened image.

    Args:
        input_shape: (H, W, C) of one image.
        num_classes: number of classes.
        hidden_units: units of each hidden layer, from input to output; may be empty.
        activation: Keras' name of the activation of the hidden layers.
        dropout_rate: share of activations dropped in training, in [0, 1), of all hidden layers or of each; 0 adds no
            dropout layer.
        batch_norm: whether to normalize over the batch before each activation.
        initializer: the name of what draws the kernels; see ``kernel_initializer``.

    Returns:
        A model from ``images``, float32 [N, H, W, C] in [0, 1], to ``logits``, float32 [N, num_classes].
    """
    images = x = keras.Input(input_shape, name="images")
    x = layers.Flatten()(x)
    rates = one_for_each(dropout_rate, len(hidden_units))
    for number, (units, rate) in enumerate(zip(hidden_units, rates, strict=True), start=1):
        kernels = kernel_initializer(initializer)
        x = layers.Dense(units, use_bias=not batch_norm, kernel_initializer=kernels, name=f"hidden_{number}")(x)
        if batch_norm:
            x = BatchNormalization(momentum=NORM_MOMENTUM, name=f"norm_{number}")(x)
        x = layers.Activation(activation)(x)
        if rate:
            x = Dropout(rate)(x)
    logits = layers.Dense(num_classes, kernel_initializer=kernel_initializer(initializer), name="logits")(x)
    return keras.Model(images, logits, name="mlp")


def gains_from_bfloat16(**_: Any) -> bool:
    """Return False: XLA's products of matrices are no faster in bfloat16 on CPUs."""
    return False

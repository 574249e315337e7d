"""A multi-layer perceptron."""

from collections.abc import Sequence

import keras
from keras import layers

from trialmaker.models.dropout import Dropout

XLA_IS_FASTER_ON_CPU = True  # measured

NORM_MOMENTUM = 0.9  # Keras' 0.99 averages over a hundred steps, in which the weights have moved on


def build(
    *,
    input_shape: tuple[int, int, int],
    num_classes: int,
    hidden_units: Sequence[int],
    activation: str,
    dropout_rate: float,
    batch_norm: bool,
) -> keras.Model:
    """Build dense layers over the flattened image.

    Args:
        input_shape: (H, W, C) of one image.
        num_classes: number of classes.
        hidden_units: units of each hidden layer, from input to output; may be empty.
        activation: Keras' name of the activation of the hidden layers.
        dropout_rate: share of hidden activations dropped in training, in [0, 1); 0 adds no dropout layers.
        batch_norm: whether to normalize over the batch before each activation.

    Returns:
        A model from ``images``, float32 [N, H, W, C] in [0, 1], to ``logits``, float32 [N, num_classes].
    """
    images = x = keras.Input(input_shape, name="images")
    x = layers.Flatten()(x)
    for number, units in enumerate(hidden_units, start=1):
        x = layers.Dense(units, use_bias=not batch_norm, name=f"hidden_{number}")(x)
        if batch_norm:
            x = layers.BatchNormalization(momentum=NORM_MOMENTUM, name=f"norm_{number}")(x)
        x = layers.Activation(activation)(x)
        if dropout_rate:
            x = Dropout(dropout_rate)(x)
    return keras.Model(images, layers.Dense(num_classes, name="logits")(x), name="mlp")

"""Keras optimizers by name."""

from typing import Any

import keras

from trialmaker.training.keras_internals import skip_replica_sum

CLASSES = {
    "sgd": keras.optimizers.SGD,
    "rmsprop": keras.optimizers.RMSprop,
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "nadam": keras.optimizers.Nadam,
    "adamax": keras.optimizers.Adamax,
    "lamb": keras.optimizers.Lamb,
    "lion": keras.optimizers.Lion,
    "adagrad": keras.optimizers.Adagrad,
    "adadelta": keras.optimizers.Adadelta,
    "ftrl": keras.optimizers.Ftrl,
}
NOT_DECAYED = ["bias", "gamma", "beta"]  # weight decay pulls kernels to zero; a norm's scale has no business there


def build(*, name: str, variables: list[Any], **fields: Any) -> keras.Optimizer:
    """Build an optimizer, whose learning rate is set before each step.

    Args:
        name: a key of ``CLASSES``.
        variables: what it will update.
        fields: the Keras class' own arguments, but for the learning rate.
    """
    optimizer = CLASSES[name](**fields)
    if fields.get("weight_decay"):
        optimizer.exclude_from_weight_decay(var_names=NOT_DECAYED)
    skip_replica_sum(optimizer)
    optimizer.build(variables)
    return optimizer

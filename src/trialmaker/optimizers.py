"""Keras optimizers and their learning-rate schedules."""

import math
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

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
}
Shape = Callable[[tf.Tensor], tf.Tensor]  # from steps to shares of the learning rate, float32
NOT_DECAYED = ["bias", "gamma", "beta"]  # weight decay pulls kernels to zero; a norm's scale has no business there


def build(*, name: str, variables: list[Any], **fields: Any) -> keras.Optimizer:
    """A built optimizer, whose learning rate is set before each step.

    Args:
        name: a key of ``CLASSES``.
        variables: what it will update.
        fields: the Keras class' own arguments, but for the learning rate.
    """
    optimizer = CLASSES[name](**fields)
    if fields.get("weight_decay"):
        optimizer.exclude_from_weight_decay(var_names=NOT_DECAYED)
    optimizer._all_reduce_sum_gradients = list  # the sum over one replica, which TensorFlow remembers for ever
    optimizer.build(variables)
    return optimizer


def schedule(*, name: str, learning_rate: float, steps_per_epoch: int, epochs: int, **fields: float) -> Shape:
    """The learning rate as a function of the step.

    Args:
        name: ``constant``, ``cosine``, ``exponential`` or ``one_cycle``.
        learning_rate: the highest of the schedule.
        fields: those of ``conf/schedule/<name>.yaml``.

    Returns:
        a function from steps (from 0) to their learning rates, both float32 and of one shape.
    """
    shape = SCHEDULES[name](steps_per_epoch=steps_per_epoch, steps=steps_per_epoch * epochs, **fields)
    return lambda step: learning_rate * shape(step)


def _constant(**_: int) -> Shape:
    return tf.ones_like


def _cosine(*, warmup_epochs: float, final_fraction: float, steps_per_epoch: int, steps: int) -> Shape:
    """Linear warm-up, then half a cosine: Loshchilov and Hutter, "SGDR", 2017, without restarts."""
    warmup = warmup_epochs * steps_per_epoch

    def shape(step: tf.Tensor) -> tf.Tensor:
        rise = (step + 1.0) / max(warmup, 1.0)
        fall = _half_cosine((step - warmup) / max(steps - warmup, 1.0), start=1.0, end=final_fraction)
        return tf.where(step < warmup, tf.minimum(rise, 1.0), fall)

    return shape


def _exponential(*, decay_rate: float, steps_per_epoch: int, steps: int) -> Shape:
    del steps
    return lambda step: tf.pow(decay_rate, step / steps_per_epoch)


def _one_cycle(
    *, warmup_fraction: float, initial_fraction: float, final_fraction: float, steps_per_epoch: int, steps: int
) -> Shape:
    """Half a cosine up, half a cosine down: Smith and Topin, "Super-Convergence", 2018, in fast.ai's form."""
    del steps_per_epoch
    warmup = warmup_fraction * steps

    def shape(step: tf.Tensor) -> tf.Tensor:
        rise = _half_cosine(step / warmup, start=initial_fraction, end=1.0)
        fall = _half_cosine((step - warmup) / (steps - warmup), start=1.0, end=final_fraction)
        return tf.where(step < warmup, rise, fall)

    return shape


def _half_cosine(progress: tf.Tensor, *, start: float, end: float) -> tf.Tensor:
    return end + (start - end) * 0.5 * (1.0 + tf.cos(math.pi * tf.clip_by_value(progress, 0.0, 1.0)))


SCHEDULES: dict[str, Callable[..., Shape]] = {
    "constant": _constant,
    "cosine": _cosine,
    "exponential": _exponential,
    "one_cycle": _one_cycle,
}

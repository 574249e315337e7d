"""Learning-rate schedules."""

import math
from collections.abc import Callable

import tensorflow as tf

Schedule = Callable[[tf.Tensor], tf.Tensor]  # from steps to shares of the learning rate, float32


def _constant(**_: int) -> Schedule:
    return tf.ones_like


def _cosine(*, warmup_epochs: float, final_fraction: float, steps_per_epoch: int, steps: int) -> Schedule:
    """Rise linearly, then fall by half a cosine: Loshchilov and Hutter, "SGDR", 2017, without restarts."""
    warmup = warmup_epochs * steps_per_epoch

    def shape(step: tf.Tensor) -> tf.Tensor:
        rise = (step + 1.0) / max(warmup, 1.0)
        fall = _half_cosine((step - warmup) / max(steps - warmup, 1.0), start=1.0, end=final_fraction)
        return tf.where(step < warmup, tf.minimum(rise, 1.0), fall)

    return shape


def _exponential(*, decay_rate: float, steps_per_epoch: int, steps: int) -> Schedule:
    del steps
    return lambda step: tf.pow(decay_rate, step / steps_per_epoch)


def _one_cycle(
    *, warmup_fraction: float, initial_fraction: float, final_fraction: float, steps_per_epoch: int, steps: int
) -> Schedule:
    """Rise by half a cosine, fall by half a cosine: Smith and Topin, "Super-Convergence", 2018, in fast.ai's form."""
    del steps_per_epoch
    warmup = warmup_fraction * steps

    def shape(step: tf.Tensor) -> tf.Tensor:
        rise = _half_cosine(step / warmup, start=initial_fraction, end=1.0)
        fall = _half_cosine((step - warmup) / (steps - warmup), start=1.0, end=final_fraction)
        return tf.where(step < warmup, rise, fall)

    return shape


def _half_cosine(progress: tf.Tensor, *, start: float, end: float) -> tf.Tensor:
    return end + (start - end) * 0.5 * (1.0 + tf.cos(math.pi * tf.clip_by_value(progress, 0.0, 1.0)))


SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "constant": _constant,
    "cosine": _cosine,
    "exponential": _exponential,
    "one_cycle": _one_cycle,
}


def schedule(*, name: str, learning_rate: float, steps_per_epoch: int, epochs: int, **fields: float) -> Schedule:
    """Return the learning rate as a function of the step.

    Args:
        name: ``constant``, ``cosine``, ``exponential`` or ``one_cycle``.
        learning_rate: the highest of the schedule.
        fields: those of ``conf/schedule/<name>.yaml``.

    Returns:
        a function from steps (from 0) to their learning rates, both float32 and of one shape.
    """
    shape = SCHEDULES[name](steps_per_epoch=steps_per_epoch, steps=steps_per_epoch * epochs, **fields)
    return lambda step: learning_rate * shape(step)

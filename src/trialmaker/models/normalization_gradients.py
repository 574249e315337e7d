"""The gradients of a normalization by given moments, in two ways that agree to rounding.

TensorFlow's fused kernel passes over memory less often. On a GPU it adds up the values in an order that differs from
call to call (2.21 refuses it where operations must be deterministic), and a run that goes on would come to another end.
"""

from collections.abc import Callable

import tensorflow as tf

# of the outputs' gradient, values, scale, mean, variance and epsilon; the first two are float32 or bfloat16
# [N, H, W, channels], the next three float32 [channels]
Gradients = Callable[..., list[tf.Tensor]]


def gradients_here() -> Gradients:
    """Return the way for this process: the fused kernel, but where there is a GPU."""
    return plain_gradients if tf.config.list_physical_devices("GPU") else fused_gradients


def fused_gradients(
    outputs: tf.Tensor, values: tf.Tensor, scale: tf.Tensor, mean: tf.Tensor, variance: tf.Tensor, epsilon: float
) -> list[tf.Tensor]:
    """Return the gradients of values, scale and offset, as if mean and variance did not depend on the values."""
    moments = {"reserve_space_1": mean, "reserve_space_2": variance, "reserve_space_3": tf.zeros([0])}
    given = {"y_backprop": outputs, "x": values, "scale": scale, **moments}
    return list(tf.raw_ops.FusedBatchNormGradV3(**given, epsilon=epsilon, is_training=False)[:3])


def plain_gradients(
    outputs: tf.Tensor, values: tf.Tensor, scale: tf.Tensor, mean: tf.Tensor, variance: tf.Tensor, epsilon: float
) -> list[tf.Tensor]:
    """Return the same, by operations that are the same bits each time on a GPU too."""
    factor = tf.math.rsqrt(variance + epsilon)
    exact = tf.cast(outputs, tf.float32)
    products = exact * ((tf.cast(values, tf.float32) - mean) * factor)
    sums = (tf.reduce_sum(one, axis=[0, 1, 2]) for one in (products, exact))
    return [tf.cast(exact * (scale * factor), outputs.dtype), *sums]

"""What models take of TensorFlow that has no public name; seen to be needed, and to work, with 2.21."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow.python.eager import record

Gradient = Callable[..., tuple[tf.Tensor, ...]]


def with_gradient(function: Callable[..., tuple[Any, Gradient]], *inputs: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Return the outputs of a function that returns them with their gradient, for a ``tf.GradientTape``.

    It is as ``tf.custom_gradient``, which keeps for ever each graph that it is called in. The tape must be in the
    ``tf.function`` that calls it, if there is one: through a tape outside of that, gradients are wrong without a word.

    Args:
        function: of the inputs; no variable is read in it. Its gradient is a function of the outputs' gradients.
    """
    with record.stop_recording():
        outputs, gradient = function(*inputs)
    record.record_operation("WithGradient", list(outputs), list(inputs), gradient)
    return tuple(outputs)

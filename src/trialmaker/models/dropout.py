"""A dropout layer whose rate may change after compilation."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

RATE_LEVELS = 1 << 16  # a rate is rounded down to one of them: 16 random bits a value, so that 32 serve two


@keras.saving.register_keras_serializable("trialmaker")
class Dropout(keras.layers.Dropout):
    """A Keras dropout whose ``rate`` may be replaced by a ``tf.Variable``, so that one compiled step serves all rates.

    It depends on how keras 3.15 implements its layer: Keras' own `call` takes the rate for a Python number (it
    branches on ``rate > 0``), hence this `call`; ``self.seed_generator`` is undocumented, and exists only where the
    layer was made with a rate above 0.

    The generator is Philox (Salmon and others, "Parallel random numbers: as easy as 1, 2, 3", 2011), chosen by name
    since XLA's default takes several times as long on CPUs.

    Attributes:
        part_of: returns where the inputs begin in the batch for which the seed draws, and how many examples that has,
            so that each of several processes drops what one with the whole batch would; None where they are all of it.
    """

    part_of: Callable[[], tuple[int, int]] | None = None

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Drop a share ``rate`` of the inputs, and scale the others by 1 / (1 - rate); only in training."""
        if not training:
            return inputs
        first, size = 0, tf.size(inputs)
        if self.part_of is not None:
            values = size // tf.shape(inputs)[0]  # of an example
            first, size = (number * values for number in self.part_of())
        seed = tf.cast(self.seed_generator.next(), tf.int32)
        bits = tf.random.stateless_uniform([(size + 1) // 2], seed, None, None, tf.uint32, alg="philox")
        halves = tf.concat([tf.bitwise.bitwise_and(bits, RATE_LEVELS - 1), tf.bitwise.right_shift(bits, 16)], axis=0)
        threshold = tf.cast(self.rate * RATE_LEVELS, tf.int32)
        halves = halves[first : first + tf.size(inputs)]
        mask = tf.reshape(tf.cast(halves, tf.int32) >= threshold, tf.shape(inputs))
        kept = tf.cast(inputs, tf.float32) / (1.0 - self.rate)  # which bfloat16 would round: the mean would change
        return tf.where(mask, tf.cast(kept, inputs.dtype), tf.zeros([], inputs.dtype))

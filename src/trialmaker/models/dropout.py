"""Dropout whose rate may change after compilation."""

from typing import Any

import keras
import tensorflow as tf

LEVELS = 1 << 16  # of which a rate is one: two values are drawn with the 32 bits that one would take


@keras.saving.register_keras_serializable("trialmaker")
class Dropout(keras.layers.Dropout):
    """Keras' dropout, but that ``rate`` may be a ``tf.Variable``: one compiled step serves all rates.

    Philox (Salmon and others, "Parallel random numbers: as easy as 1, 2, 3", 2011) is named, since XLA's own choice
    takes several times as long on CPUs.
    """

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training:
            return inputs
        size = tf.size(inputs)
        seed = tf.cast(self.seed_generator.next(), tf.int32)
        bits = tf.random.stateless_uniform([(size + 1) // 2], seed, None, None, tf.uint32, alg="philox")
        halves = tf.concat([tf.bitwise.bitwise_and(bits, LEVELS - 1), tf.bitwise.right_shift(bits, 16)], axis=0)[:size]
        dropped = tf.cast(self.rate * LEVELS, tf.int32)
        kept = tf.reshape(tf.cast(halves, tf.int32) >= dropped, tf.shape(inputs))
        return tf.where(kept, inputs / (1.0 - self.rate), 0.0)

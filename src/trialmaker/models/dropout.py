"""Dropout whose rate may change after compilation."""

from typing import Any

import keras


@keras.saving.register_keras_serializable("trialmaker")
class Dropout(keras.layers.Dropout):
    """Keras' dropout, but that ``rate`` may be a ``tf.Variable``: one compiled step serves all rates."""

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training:
            return inputs
        kept = keras.random.uniform(keras.ops.shape(inputs), seed=self.seed_generator) >= self.rate
        return keras.ops.where(kept, inputs / (1.0 - self.rate), 0.0)

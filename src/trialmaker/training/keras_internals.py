"""What training takes of Keras that its documentation does not promise; seen to be needed, and to work, with 3.15."""

from typing import Any

import keras


def skip_replica_sum(optimizer: keras.Optimizer) -> None:
    """Have an optimizer take gradients as they are.

    By default Keras sums them over the replicas, here one, by a call whose graph TensorFlow remembers for ever.
    """
    optimizer._all_reduce_sum_gradients = list


def dropout_states(model: keras.Model) -> list[Any]:
    """Return the variables that hold dropout's seeds; set before each step, they make dropout a pure function."""
    generators = [layer.seed_generator for layer in model.layers if hasattr(layer, "seed_generator")]
    return [generator.state for generator in generators]

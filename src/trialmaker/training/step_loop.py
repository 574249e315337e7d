"""The loop in the graph: many steps in one call, each a pure function of seed and step."""

from collections.abc import Callable

import keras
import tensorflow as tf

from trialmaker.training.keras_internals import dropout_states
from trialmaker.training.moving_averages import CorrectedMomentum

AUGMENT_STREAM, DROPOUT_STREAM = 1, 2  # so that no two users of the seed draw the same numbers

# of all images and labels, the indices of the batch's examples, and the seed of its augmentation: loss and accuracy
Step = Callable[[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


def step_loop(model: keras.Model, optimizer: keras.Optimizer, make_step: Step) -> Callable[..., tuple[tf.Tensor, ...]]:
    """Return a function that makes the steps from ``start`` to ``stop`` of an epoch's order.

    Args:
        make_step: changes model and optimizer by one step, for which dropout's seeds, learning rate and momentum of
            batch normalization are set; see ``Step``.
    """
    dropouts, norm_momentum = dropout_states(model), CorrectedMomentum(model)

    def run(
        images: tf.Tensor,
        labels: tf.Tensor,
        seed: tf.Tensor,
        order: tf.Tensor,
        rates: tf.Tensor,
        start: tf.Tensor,
        stop: tf.Tensor,
        before: tf.Tensor,
    ) -> tuple[tf.Tensor, ...]:
        def seed_of(stream: int, step: tf.Tensor) -> tf.Tensor:
            return tf.stack([tf.bitwise.bitwise_xor(seed, stream << 20), before + step])

        def body(step: tf.Tensor, _: tf.Tensor, losses: tf.Tensor, accuracies: tf.Tensor) -> tuple[tf.Tensor, ...]:
            for layer, state in enumerate(dropouts):
                state.assign(tf.cast(seed_of(DROPOUT_STREAM + layer, step), state.dtype))
            optimizer.learning_rate.assign(rates[step])
            norm_momentum.set_for(before + step)
            loss, accuracy = make_step(images, labels, order[step], seed_of(AUGMENT_STREAM, step))
            losses = tf.tensor_scatter_nd_update(losses, [[step]], [loss])
            accuracies = tf.tensor_scatter_nd_update(accuracies, [[step]], [accuracy])
            return step + 1, tf.math.is_finite(loss), losses, accuracies

        zeros = tf.zeros([order.shape[0]])
        state: tuple[tf.Tensor, ...] = (start, tf.constant(True), zeros, zeros)
        end, _, *results = tf.while_loop(
            lambda step, finite, *_: finite & (step < stop), body, state, parallel_iterations=1
        )
        return end, *results

    return run


def scaled(images: tf.Tensor) -> tf.Tensor:
    """Return uint8 images as what a model takes: float32 in [0, 1]."""
    return tf.cast(images, tf.float32) * (1 / 255)

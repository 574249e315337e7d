"""The compiled part of training: many steps, or a whole evaluation, in one call."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trialmaker.augment import Augment

EVALUATION_BATCH = 500
AUGMENT_STREAM, DROPOUT_STREAM = 1, 2  # so that no two users of the seed draw the same numbers

Chunk = tuple[np.ndarray, np.ndarray]


def data_order(*, seed: int, epoch: int, examples: int, batch_size: int) -> np.ndarray:
    """Which examples each step of an epoch takes: int32 [steps, batch_size], a pure function of the arguments.

    Every epoch is a fresh permutation; the examples left after the last whole batch are dropped.
    """
    steps = examples // batch_size
    shuffled = np.random.Generator(np.random.Philox([seed, epoch])).permutation(examples)
    return shuffled[: steps * batch_size].reshape(steps, batch_size).astype(np.int32)


def trainer(
    *,
    model: keras.Model,
    optimizer: keras.Optimizer,
    images: np.ndarray,
    labels: np.ndarray,
    augment: Augment,
    label_smoothing: float,
    seed: int,
    jit_compile: bool,
) -> Callable[[np.ndarray, int, int, int], Chunk]:
    """Put the data on the device and compile the training steps over it.

    Args:
        images: uint8 [N, H, W, C], labels: int32 [N]; they stay on the device as they are.
        label_smoothing: in [0, 1).

    Returns:
        a function of an epoch's order (int32 [steps, batch]), the first and the end step in that order (from 0), and
        the number of steps in earlier epochs. It makes the steps and returns their losses and accuracies, float32 [n].
        It stops after a step whose loss is not finite: then this is the last loss.
    """
    data = tf.constant(images), tf.constant(labels)  # arguments of each call: what a loop captures is never freed
    dropouts = _dropout_states(model)

    @tf.function(jit_compile=jit_compile)
    def run(
        image_data: tf.Tensor,
        label_data: tf.Tensor,
        order: tf.Tensor,
        start: tf.Tensor,
        stop: tf.Tensor,
        before: tf.Tensor,
    ) -> tuple[tf.Tensor, ...]:
        def body(step: tf.Tensor, _: tf.Tensor, losses: tf.Tensor, accuracies: tf.Tensor) -> tuple[tf.Tensor, ...]:
            for layer, state in enumerate(dropouts):
                state.assign(tf.cast(tf.stack([seed ^ (DROPOUT_STREAM + layer << 20), before + step]), state.dtype))
            batch = tf.cast(tf.gather(image_data, order[step]), tf.float32) * (1 / 255)
            batch = augment(batch, tf.stack([seed ^ (AUGMENT_STREAM << 20), before + step]))
            loss, accuracy = _step(model, optimizer, batch, tf.gather(label_data, order[step]), label_smoothing)
            losses = tf.tensor_scatter_nd_update(losses, [[step]], [loss])
            accuracies = tf.tensor_scatter_nd_update(accuracies, [[step]], [accuracy])
            return step + 1, tf.math.is_finite(loss), losses, accuracies

        zeros = tf.zeros([order.shape[0]])
        state: tuple[tf.Tensor, ...] = (start, tf.constant(True), zeros, zeros)
        return tf.while_loop(lambda step, finite, *_: finite & (step < stop), body, state, parallel_iterations=1)

    def steps(order: np.ndarray, start: int, stop: int, before: int) -> Chunk:
        numbers = (tf.constant(value) for value in (order, start, stop, before))
        end, _, losses, accuracies = run(*data, *numbers)
        return losses.numpy()[start : int(end)], accuracies.numpy()[start : int(end)]

    return steps


def _step(
    model: keras.Model, optimizer: keras.Optimizer, images: tf.Tensor, labels: tf.Tensor, label_smoothing: float
) -> tuple[tf.Tensor, tf.Tensor]:
    with tf.GradientTape() as tape:
        logits = model(images, training=True)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        if label_smoothing:
            uniform = -tf.reduce_mean(tf.nn.log_softmax(logits))
            loss = (1 - label_smoothing) * loss + label_smoothing * uniform
    optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
    right = tf.equal(tf.argmax(logits, axis=-1, output_type=tf.int32), labels)
    return loss, tf.reduce_mean(tf.cast(right, tf.float32))


def _dropout_states(model: keras.Model) -> list[Any]:
    """The variables that Keras keeps dropout's seeds in; set before each step, they make dropout a pure function."""
    generators = [layer.seed_generator for layer in model.layers if hasattr(layer, "seed_generator")]
    return [generator.state for generator in generators]


def predictor(*, model: keras.Model, jit_compile: bool) -> Callable[[np.ndarray], np.ndarray]:
    """Compile inference.

    Returns:
        a function from images, uint8 [N, H, W, C], to logits, float32 [N, K].
    """

    @tf.function(jit_compile=jit_compile)
    def batch_logits(images: tf.Tensor) -> tf.Tensor:
        return model(tf.cast(images, tf.float32) * (1 / 255), training=False)

    def logits(images: np.ndarray) -> np.ndarray:
        size = min(EVALUATION_BATCH, len(images))
        padding = np.repeat(images[:1], -len(images) % size, axis=0)  # one shape, so compiled once
        padded = np.concatenate([images, padding]) if len(padding) else images
        parts = [batch_logits(tf.constant(padded[at : at + size])) for at in range(0, len(padded), size)]
        return tf.concat(parts, axis=0).numpy()[: len(images)]

    return logits

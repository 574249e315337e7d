"""The compiled part of training: many steps, or a whole evaluation, in one call."""

from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from trialmaker.models.per_layer import one_for_each
from trialmaker.training.augmentation import Augment
from trialmaker.training.keras_internals import dropout_states
from trialmaker.training.memory import evaluation_batch
from trialmaker.training.moving_averages import CorrectedMomentum

AUGMENT_STREAM, DROPOUT_STREAM = 1, 2  # so that no two users of the seed draw the same numbers

Chunk = tuple[np.ndarray, np.ndarray]
Steps = Callable[[np.ndarray, np.ndarray, int, int, int], Chunk]


def data_order(*, seed: int, epoch: int, examples: int, batch_size: int) -> np.ndarray:
    """Return which examples each step of an epoch takes: int32 [steps, batch_size], a pure function of the arguments.

    Every epoch is a fresh permutation; the examples left after the last whole batch are dropped.
    """
    steps = examples // batch_size
    shuffled = np.random.Generator(np.random.Philox([seed, epoch])).permutation(examples)
    return shuffled[: steps * batch_size].reshape(steps, batch_size).astype(np.int32)


class Program:
    """A model and its optimizer, compiled once for any number of trainings in a process.

    What is compiled knows neither data nor seed nor learning rate: they are arguments of each call. Dropout rate,
    weight decay and label smoothing are variables. So the next run of a multirun need not compile again, and memory
    does not grow: XLA keeps for ever what it has compiled, and TensorFlow what a loop has captured.

    Args:
        model, optimizer: their dropout and weight decay are on or off for good; ``begin`` sets how much.
        smooths_labels: whether there is label smoothing.
    """

    def __init__(
        self,
        *,
        model: keras.Model,
        optimizer: keras.Optimizer,
        augment: Augment,
        smooths_labels: bool,
        jit_compile: bool,
    ) -> None:
        self.model, self.optimizer = model, optimizer
        self.label_smoothing, self.weight_decay = tf.Variable(0.0), tf.Variable(0.0)
        self.dropout_rates = []
        for layer in model.layers:
            if isinstance(layer, keras.layers.Dropout):
                layer.rate = tf.Variable(0.0)
                self.dropout_rates.append(layer.rate)
        if optimizer.weight_decay is not None:
            optimizer.weight_decay = self.weight_decay
        self.evaluation_batch = evaluation_batch(model)
        self._initial_state = [variable.numpy() for variable in optimizer.variables]
        smoothing = self.label_smoothing if smooths_labels else None
        self._run = tf.function(_loop(model, optimizer, augment, smoothing), jit_compile=jit_compile)
        self._logits = tf.function(lambda images: model(_scaled(images), training=False), jit_compile=jit_compile)

    def begin(
        self,
        weights: Sequence[np.ndarray],
        *,
        dropout_rate: float | Sequence[float] = 0.0,
        weight_decay: float = 0.0,
        label_smoothing: float = 0.0,
    ) -> None:
        """Start a training: with these weights, and the optimizer as it was built.

        Args:
            dropout_rate: in [0, 1), of all dropout layers; or of each place in the network where there may be one, 0
                where there is none.
            label_smoothing: in [0, 1); weight_decay: at least 0. Each counts where it is on.
        """
        rates = [rate for rate in dropout_rate if rate] if isinstance(dropout_rate, Sequence) else dropout_rate
        for variable, rate in zip(self.dropout_rates, one_for_each(rates, len(self.dropout_rates)), strict=True):
            variable.assign(rate)
        self.weight_decay.assign(weight_decay)
        self.label_smoothing.assign(label_smoothing)
        self.model.set_weights(list(weights))
        for variable, value in zip(self.optimizer.variables, self._initial_state, strict=True):
            variable.assign(value)

    def steps_over(self, images: np.ndarray, labels: np.ndarray, *, seed: int) -> Steps:
        """Put the data on the device.

        Args:
            images: uint8 [N, H, W, C], labels: int32 [N]; they stay on the device as they are.

        Returns:
            a function of an epoch's order (int32 [steps, batch]) and learning rates (float32 [steps]), of the first and
            the end step in that order (from 0), and of the number of steps in earlier epochs. It makes the steps and
            returns their losses and accuracies, float32 [n]. It stops after a step whose loss is not finite: then this
            is the last loss.
        """
        constant = tf.constant(images), tf.constant(labels), tf.constant(seed)

        def steps(order: np.ndarray, rates: np.ndarray, start: int, stop: int, before: int) -> Chunk:
            end, losses, accuracies = self._run(*constant, *map(tf.constant, (order, rates, start, stop, before)))
            return losses.numpy()[start : int(end)], accuracies.numpy()[start : int(end)]

        return steps

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Return the logits, float32 [N, K], of images, uint8 [N, H, W, C]: by calls of bounded memory."""
        size = min(self.evaluation_batch, len(images))
        parts = [self._logits(tf.constant(_padded(images[at : at + size], size))) for at in range(0, len(images), size)]
        return tf.concat(parts, axis=0).numpy()[: len(images)]


def _padded(images: np.ndarray, size: int) -> np.ndarray:
    """Return images repeated to so many, since a call of another shape would be compiled anew."""
    missing = size - len(images)
    return np.concatenate([images, np.repeat(images[:1], missing, axis=0)]) if missing else images


def _loop(
    model: keras.Model, optimizer: keras.Optimizer, augment: Augment, label_smoothing: tf.Variable | None
) -> Callable[..., tuple[tf.Tensor, ...]]:
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
            batch = augment(_scaled(tf.gather(images, order[step])), seed_of(AUGMENT_STREAM, step))
            loss, accuracy = _step(model, optimizer, batch, tf.gather(labels, order[step]), label_smoothing)
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


def _scaled(images: tf.Tensor) -> tf.Tensor:
    return tf.cast(images, tf.float32) * (1 / 255)


def _step(
    model: keras.Model,
    optimizer: keras.Optimizer,
    images: tf.Tensor,
    labels: tf.Tensor,
    label_smoothing: tf.Variable | None,
) -> tuple[tf.Tensor, tf.Tensor]:
    with tf.GradientTape() as tape:
        logits = model(images, training=True)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        if label_smoothing is not None:
            uniform = -tf.reduce_mean(tf.nn.log_softmax(logits))
            loss = (1 - label_smoothing) * loss + label_smoothing * uniform
    optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
    is_right = tf.equal(tf.argmax(logits, axis=-1, output_type=tf.int32), labels)
    return loss, tf.reduce_mean(tf.cast(is_right, tf.float32))

"""The compiled part of training: many steps, or a whole evaluation, in one call."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext

import keras
import numpy as np
import tensorflow as tf

from trialmaker.models.per_layer import one_for_each
from trialmaker.platform.garbage_collection import postponed_garbage_collection
from trialmaker.training.augmentation import Augment
from trialmaker.training.local_step import local_step
from trialmaker.training.memory import evaluation_batch
from trialmaker.training.metrics import loss_and_accuracy, loss_and_right_sums
from trialmaker.training.precision import BFLOAT16, FLOAT32, borrowed_inference, inference
from trialmaker.training.replicas import Replicas, lost_replicas
from trialmaker.training.replicated_step import replicated_step
from trialmaker.training.step_loop import scaled, step_loop

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
        exact_model: the same in float32, where the model computes in less: it lends its layers to what is evaluated.
        smooths_labels: whether there is label smoothing.
        replicas: the processes that train this program together, each with a part of each batch; None for this alone.
    """

    def __init__(
        self,
        *,
        model: keras.Model,
        optimizer: keras.Optimizer,
        augment: Augment,
        smooths_labels: bool,
        jit_compile: bool,
        exact_model: keras.Model | None = None,
        replicas: Replicas | None = None,
    ) -> None:
        self.model, self.optimizer = model, optimizer
        self.replicas = replicas
        self.precision = BFLOAT16 if exact_model else FLOAT32
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
        parts = model, optimizer, augment, smoothing
        # without autograph, which takes a quarter of a second to find that it has nothing to do
        if self.replicas:
            step = replicated_step(*parts, replicas=self.replicas, jit_compile=jit_compile)
            self._run = tf.function(step_loop(model, optimizer, step), autograph=False)
        else:
            run = step_loop(model, optimizer, local_step(*parts))
            self._run = tf.function(run, jit_compile=jit_compile, autograph=False)
        logits = inference(model) if exact_model is None else borrowed_inference(exact_model, model)
        self._logits = tf.function(lambda images: logits(scaled(images)), jit_compile=jit_compile, autograph=False)

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
            is the last loss. With replicas it is a collective, and losses and accuracies are those of the whole batch.
        """
        constant = tf.constant(images), tf.constant(labels), tf.constant(seed)

        def steps(order: np.ndarray, rates: np.ndarray, start: int, stop: int, before: int) -> Chunk:
            with postponed_garbage_collection(), lost_replicas() if self.replicas else nullcontext():
                end, losses, accuracies = self._run(*constant, *map(tf.constant, (order, rates, start, stop, before)))
                return losses.numpy()[start : int(end)], accuracies.numpy()[start : int(end)]

        return steps

    def evaluate(self, images: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
        """Return loss and accuracy over examples as ``loss_and_accuracy`` does; replicas share them out."""
        if self.replicas is None:
            return loss_and_accuracy(self.logits(images), labels)
        part = self.replicas.part(len(images))
        sums = loss_and_right_sums(self.logits(images[part]), labels[part]) if labels[part].size else (0.0, 0)
        loss, right = self.replicas.gather(sums).sum(axis=0)
        return float(loss / len(labels)), float(right / len(labels))

    @postponed_garbage_collection()  # the first call traces
    def logits(self, images: np.ndarray) -> np.ndarray:
        """Return the logits, float32 [N, K], of images, uint8 [N, H, W, C]: by calls of bounded memory."""
        size = min(self.evaluation_batch, len(images))
        parts = [self._logits(tf.constant(_padded(images[at : at + size], size))) for at in range(0, len(images), size)]
        return tf.concat(parts, axis=0).numpy()[: len(images)]


def _padded(images: np.ndarray, size: int) -> np.ndarray:
    """Return images repeated to so many, since a call of another shape would be compiled anew."""
    missing = size - len(images)
    return np.concatenate([images, np.repeat(images[:1], missing, axis=0)]) if missing else images

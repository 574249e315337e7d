"""The training step of several replicas: each computes its part of the batch, and one sum makes the whole of it."""

import math
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from trialmaker.errors import UserError
from trialmaker.models.batch_normalization import BatchNormalization
from trialmaker.models.dropout import Dropout
from trialmaker.training.augmentation import Augment
from trialmaker.training.replicas import Replicas
from trialmaker.training.step_loop import Step, scaled

Sums = Callable[[tf.Tensor, tf.Tensor, tf.Tensor, int], list[tf.Tensor]]


def replicated_step(
    model: keras.Model,
    optimizer: keras.Optimizer,
    augment: Augment,
    label_smoothing: tf.Variable | None,
    *,
    replicas: Replicas,
    jit_compile: bool,
) -> Step:
    """Return the step for ``step_loop`` that equals the step of one process with the whole batch, to rounding.

    Gradients, loss and accuracy are summed over the replicas at once, by one collective a step; batch normalization
    has another one a layer, in each direction. XLA has no collectives on CPUs: with it, what is between them is
    compiled, but for a network with batch normalization, and for several replicas in a process. The model's batch
    normalization, which must be ours, is changed for good to that of the whole batch, its dropout to the part's.
    """
    has_norms = _share_moments(model, replicas)
    sums: Sums = _part_sums(model, augment, label_smoothing, replicas)
    update = _update(optimizer, model.trainable_variables)
    if jit_compile and not replicas.holds_several:
        sums = sums if has_norms else tf.function(sums, jit_compile=True)
        update = tf.function(update, jit_compile=True)

    def part_of_step(images: tf.Tensor, labels: tf.Tensor, row: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        size = int(row.shape[0])
        mine = row[replicas.part(size)]
        # joined out here: where XLA joins the products of matrices, it computes them some twenty times as slowly
        parts = sums(tf.gather(images, mine), tf.gather(labels, mine), seed, size)
        total = replicas.sum(tf.concat([tf.reshape(part, [-1]) for part in parts], axis=0))
        if replicas.holds_several:
            update(total[:-2])
        return total

    def make_step(*given: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        total = _on_each(part_of_step, replicas, *given)
        if not replicas.holds_several:
            update(total[:-2])
        return total[-2], total[-1]

    return make_step


def _on_each(
    function: Callable[..., tf.Tensor],
    replicas: Replicas,
    images: tf.Tensor,
    labels: tf.Tensor,
    row: tf.Tensor,
    seed: tf.Tensor,
) -> tf.Tensor:
    """Call a function on each device, with the step's data and seed; return what is the same on each."""
    if replicas.holds_several:  # each device gets a copy: of the batch then, not of all examples
        images, labels, row = tf.gather(images, row), tf.gather(labels, row), tf.range(row.shape[0])
    results = replicas.strategy.run(function, (images, labels, row, seed))
    return replicas.strategy.experimental_local_results(results)[0]


def _update(optimizer: keras.Optimizer, variables: list[Any]) -> Callable[[tf.Tensor], None]:
    """Return a function that applies gradients, which are joined to one vector."""
    shapes = [tuple(variable.shape) for variable in variables]

    def update(joined: tf.Tensor) -> None:
        parts = tf.split(joined, [math.prod(shape) for shape in shapes])
        optimizer.apply([tf.reshape(part, shape) for part, shape in zip(parts, shapes, strict=True)], variables)

    return update


def _part_sums(model: keras.Model, augment: Augment, label_smoothing: tf.Variable | None, replicas: Replicas) -> Sums:
    """Return a function of the part's images and labels, the augmentation's seed, and the size of the whole batch.

    It returns what the part adds to the batch's gradients, mean loss and accuracy.
    """
    dropouts = [layer for layer in model.layers if isinstance(layer, Dropout)]

    def sums(images: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor, size: int) -> list[tf.Tensor]:
        first = replicas.part(size).start
        for layer in dropouts:
            layer.part_of = lambda: (replicas.part(size).start, size)  # of the device that asks
        with tf.GradientTape() as tape:
            logits = model(augment(scaled(images), seed, (first, size)), training=True)
            loss = tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)) / size
            if label_smoothing is not None:
                uniform = -tf.reduce_sum(tf.nn.log_softmax(logits)) / (size * logits.shape[-1])
                loss = (1 - label_smoothing) * loss + label_smoothing * uniform
        is_right = tf.equal(tf.argmax(logits, axis=-1, output_type=tf.int32), labels)
        accuracy = tf.reduce_sum(tf.cast(is_right, tf.float32)) / size
        return [*tape.gradient(loss, model.trainable_variables), loss, accuracy]

    return sums


def _share_moments(model: keras.Model, replicas: Replicas) -> bool:
    """Have batch normalization take the moments of the whole batch; return whether there is any.

    Raises:
        UserError: it is Keras' own, which would take those of the part.
    """
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for layer in norms:
        if layer.trainable and not isinstance(layer, BatchNormalization):
            way_on = f"use {BatchNormalization.__module__}.BatchNormalization, or train on one instance and one GPU"
            raise UserError(f"{layer.name}: Keras' batch normalization cannot share out a batch: {way_on}")
        layer.total = replicas.sum
    return bool(norms)

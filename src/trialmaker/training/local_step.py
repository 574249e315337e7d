"""The training step of one process by itself."""

import keras
import tensorflow as tf

from trialmaker.training.augmentation import Augment
from trialmaker.training.step_loop import Step, scaled


def local_step(
    model: keras.Model, optimizer: keras.Optimizer, augment: Augment, label_smoothing: tf.Variable | None
) -> Step:
    """Return the step for ``step_loop`` that a process makes by itself."""

    def make_step(images: tf.Tensor, labels: tf.Tensor, row: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        batch = augment(scaled(tf.gather(images, row)), seed)
        return _step(model, optimizer, batch, tf.gather(labels, row), label_smoothing)

    return make_step


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

"""Moving averages of batch normalization that are right from the first step."""

import keras
import tensorflow as tf


class CorrectedMomentum:
    """The momentum of a model's batch normalization, which rises from 0 at the first step to the layers' own.

    With momentum m, step t (from 1) moves the averages with m (1 - m^(t-1)) / (1 - m^t). Then they are at every step
    what Adam's correction makes of them (Kingma and Ba 2014, arXiv:1412.6980, section 3): the mean over the batches so
    far, with the weight m^(t-s) for the batch of step s. So the values that they start with count nothing, and those
    that the layers hold need no correction where they are used, exported or taken by another training. In keras 3.15,
    a layer computes with its ``momentum`` as with a number, and never asks whether it is one.

    Args:
        model: the momentum of its layers is replaced by a variable.
    """

    def __init__(self, model: keras.Model) -> None:
        self.momenta: list[tuple[float, tf.Variable]] = []
        for layer in model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                self.momenta.append((layer.momentum, tf.Variable(layer.momentum)))
                layer.momentum = self.momenta[-1][1]

    def set_for(self, step: tf.Tensor) -> None:
        """Set the momentum for a step of the training, an integer counted from 0."""
        before = tf.cast(step, tf.float32)
        for momentum, variable in self.momenta:
            variable.assign(momentum * (1 - tf.pow(momentum, before)) / (1 - tf.pow(momentum, before + 1)))

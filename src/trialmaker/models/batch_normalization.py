"""A batch normalization for batches that several processes may share out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from trialmaker.models.normalization_gradients import fused_gradients, gradients_here
from trialmaker.models.tensorflow_internals import Gradient, with_gradient

Total = Callable[[tf.Tensor], tf.Tensor]

LAW = "this batch normalization must be over the last axis, with scale and center, without renorm and mask"


@keras.saving.register_keras_serializable("trialmaker")
class BatchNormalization(keras.layers.BatchNormalization):
    """A Keras batch normalization over the last axis, whose training step is its own: faster, and to more digits.

    The step and its gradient (Ioffe and Szegedy 2015, arXiv:1502.03167) are made of TensorFlow's fused kernels, which
    pass over memory half as often as what Keras composes them of. A float32 sum of many values loses digits: so each
    column of a picture has its own, and these are summed in float64, over columns and processes alike. Then it makes
    no difference but for rounding how many processes share out a batch. With a mixed policy, inputs and outputs are
    bfloat16; moments, scale, offset and their gradients stay float32. Outside training all is as in Keras, and so is
    the name, by which ``.keras`` and ``.h5`` files know the layer.

    A ``tf.GradientTape`` must be in the ``tf.function`` that calls the layer in training, if there is one: through a
    tape outside of that, gradients are wrong without a word.

    Attributes:
        total: returns the sum of a float64 vector over the processes that share out the batch; called once in a step
            and once in its gradient.
    """

    total: Total = staticmethod(tf.identity)

    def build(self, input_shape: Any) -> None:
        """Make the variables.

        Raises:
            ValueError: the arguments ask for something else than Keras' default.
        """
        is_last = self.axis in (-1, len(input_shape) - 1)
        if not (is_last and self.scale and self.center) or self.renorm:
            raise ValueError(f"{self.name}: {LAW}: {self.get_config()}")
        self.autocast = False  # else Keras rounds scale and offset as it does the inputs
        super().build(input_shape)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalize, in training by the mean and variance of the whole batch, which the moving averages follow.

        Raises:
            ValueError: there is a mask.
        """
        if mask is not None:
            raise ValueError(f"{self.name}: {LAW}: it is given a mask")
        if not (training and self.trainable):
            return super().call(inputs, training=False, mask=mask)
        columns = inputs.shape[-2] if len(inputs.shape) > 2 else 1
        norm = _Norm(columns, inputs.shape[-1], self.epsilon, self.total)
        parts = tf.cast(inputs, self.compute_dtype), tf.convert_to_tensor(self.gamma), tf.convert_to_tensor(self.beta)
        is_coarse = self.compute_dtype != "float32" and columns > 1  # and a sum's last digits are not there to be lost
        is_alone = self.total is BatchNormalization.total and gradients_here() is fused_gradients
        outputs, *moments = norm.normalize_fused(*parts) if is_coarse and is_alone else norm.normalize(*parts)
        for average, moment in zip((self.moving_mean, self.moving_variance), moments, strict=True):
            average.assign(average * self.momentum + moment * (1.0 - self.momentum))
        return outputs


@dataclass(frozen=True)
class _Norm:
    """The normalization of values, float32 or bfloat16 [..., columns, channels], by the whole batch's moments."""

    columns: int
    channels: int
    epsilon: float
    total: Total

    def normalize(self, inputs: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Return the normalized inputs, and mean and variance, float32 [channels], which have no gradient."""
        shape = [tf.shape(inputs)[0], -1, 1, self.columns * self.channels]  # to a kernel, each column has channels

        def normalize(inputs: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) -> tuple[Any, Gradient]:
            values = tf.reshape(inputs, shape)
            count, mean, variance = self._moments(values)

            def gradient(outputs: tf.Tensor, *_: tf.Tensor) -> tuple[tf.Tensor, ...]:
                direct, *own = self._gradients(tf.reshape(outputs, shape), values, gamma, mean, variance)
                means = tf.cast(self.total(tf.concat(own, axis=0)) / count, tf.float32)
                factor = -gamma * tf.math.rsqrt(variance + self.epsilon)
                scale, offset = (factor * one for one in tf.split(means, 2))
                through_moments = self._affine(values, scale, offset, mean, variance)
                return tf.reshape(direct + through_moments, tf.shape(inputs)), *(
                    tf.cast(one, tf.float32) for one in own
                )

            outputs = self._affine(values, gamma, beta, mean, variance)
            return (tf.reshape(outputs, tf.shape(inputs)), mean, variance), gradient

        return with_gradient(normalize, inputs, gamma, beta)

    def normalize_fused(self, inputs: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Return the same to the digits of bfloat16, by one kernel each way, for a batch that is not shared out."""
        values = tf.reshape(inputs, [-1, 1, self.columns, self.channels])
        outputs, mean, unbiased = tf.compat.v1.nn.fused_batch_norm(values, gamma, beta, epsilon=self.epsilon)
        size = tf.cast(tf.size(values) // self.channels, tf.float32)
        return tf.reshape(outputs, tf.shape(inputs)), mean, unbiased * (size - 1) / size

    def _moments(self, values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return the whole batch's values of a channel, float64 [1], their mean and their variance, float32."""
        size = tf.cast(tf.size(values) // (self.columns * self.channels), tf.float64)  # of a column
        mean, variance = (tf.cast(one, tf.float64) for one in self._column_moments(values))
        own = [self._sums(size * mean), self._sums(size * (variance + tf.square(mean))), [size * self.columns]]
        sums, squares, count = tf.split(self.total(tf.concat(own, axis=0)), [self.channels, self.channels, 1])
        mean = sums / count
        variance = tf.maximum(squares / count - tf.square(mean), 0.0)
        return count, tf.cast(mean, tf.float32), tf.cast(variance, tf.float32)

    def _column_moments(self, values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return mean and variance of each column's channels in this process, float32 [columns * channels]."""
        if self.columns == 1:  # few values, and where XLA compiles: it makes the kernel a difference of two sums
            return tuple(tf.nn.moments(tf.cast(values, tf.float32), axes=[0, 1, 2]))
        ones, nothing = self._each(tf.ones([self.channels])), tf.zeros([0])
        _, mean, unbiased, *_ = tf.raw_ops.FusedBatchNormV3(
            x=values, scale=ones, offset=ones, mean=nothing, variance=nothing, is_training=True
        )
        size = tf.cast(tf.size(values) // (self.columns * self.channels), tf.float32)
        return mean, unbiased * (size - 1) / size

    def _affine(self, values: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor, *moments: tf.Tensor) -> tf.Tensor:
        """Return the values, normalized by mean and variance, times ``scale`` plus ``offset``."""
        scale, offset, mean, variance = map(self._each, (scale, offset, *moments))
        parts = {"x": values, "scale": scale, "offset": offset, "mean": mean, "variance": variance}
        return tf.raw_ops.FusedBatchNormV3(**parts, epsilon=self.epsilon, is_training=False)[0]

    def _gradients(self, outputs: tf.Tensor, values: tf.Tensor, *parts: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Return the gradients of values, scale and offset, as if mean and variance did not depend on the values.

        Args:
            outputs: the gradient of the outputs; parts: scale, mean and variance.

        Returns:
            of the values' type and shape, and float64 [channels], twice.
        """
        direct, *sums = gradients_here()(outputs, values, *map(self._each, parts), self.epsilon)
        return direct, *(self._sums(tf.cast(one, tf.float64)) for one in sums)

    def _each(self, of_channels: tf.Tensor) -> tf.Tensor:
        return tf.tile(of_channels, [self.columns])

    def _sums(self, of_columns: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.reshape(of_columns, [self.columns, self.channels]), axis=0)

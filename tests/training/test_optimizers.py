"""Every optimizer learns; weight decay is that of kernels alone."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from support.choices import values
from trialmaker.platform.paths import CONF
from trialmaker.training import optimizers


@pytest.mark.parametrize("name", sorted(path.stem for path in (CONF / "optimizer").glob("*.yaml")))
def test_every_optimizer_with_its_default_values_learns(name):
    fields = values("optimizer", name)
    rate = fields.pop("learning_rate")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    target = np.array([[1.0], [-2.0], [0.5], [3.0]], np.float32)
    inputs = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)
    optimizer = optimizers.build(
        **fields | {"weight_decay": 0.001, "global_clipnorm": 1.0},
        variables=model.trainable_variables,
    )
    optimizer.learning_rate = rate

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(inputs) - inputs @ target) ** 2)
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    first = float(step())
    for _ in range(200):
        last = float(step())
    assert last < 0.97 * first


def test_weight_decay_pulls_kernels_and_leaves_biases():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, bias_initializer="ones")])
    kernel, bias = (variable.numpy() for variable in model.trainable_variables)
    optimizer = optimizers.build(name="sgd", variables=model.trainable_variables, weight_decay=0.5)
    optimizer.learning_rate = 0.1
    optimizer.apply([tf.zeros_like(kernel), tf.zeros_like(bias)], model.trainable_variables)
    np.testing.assert_allclose(model.trainable_variables[0], kernel * 0.95, rtol=1e-5)
    np.testing.assert_array_equal(model.trainable_variables[1], bias)

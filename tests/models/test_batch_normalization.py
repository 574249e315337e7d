"""Our batch normalization's training step is that of Keras' layer in float64, closer than Keras' own in float32."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from trialmaker.models.batch_normalization import BatchNormalization
from trialmaker.models.normalization_gradients import fused_gradients, plain_gradients

PICTURES, ROWS = (40, 12, 10, 5), (300, 7)


def step(
    kind: type[keras.layers.BatchNormalization], inputs: np.ndarray, policy: str, *, jit_compile: bool
) -> list[np.ndarray]:
    """Return outputs, gradients of inputs, gamma and beta, and the moving averages after a step, all float64."""
    channels = inputs.shape[-1]
    layer = kind(momentum=0.9, dtype=policy)
    layer.build(inputs.shape)
    layer.gamma.assign(np.linspace(0.5, 1.5, channels))
    layer.beta.assign(np.linspace(-1, 1, channels))
    given = tf.constant(inputs, layer.compute_dtype)
    weight = tf.constant(np.random.default_rng(1).normal(0.2, 1.0, inputs.shape), layer.compute_dtype)

    def compute() -> list[Any]:
        with tf.GradientTape() as tape:
            tape.watch(given)
            outputs = layer(given, training=True)
            loss = tf.reduce_sum(tf.cast(weight * outputs * outputs, layer.variable_dtype))
        return [outputs, *tape.gradient(loss, [given, layer.gamma.value, layer.beta.value])]

    results = [*tf.function(compute, jit_compile=jit_compile)(), layer.moving_mean, layer.moving_variance]
    return [tf.cast(tf.convert_to_tensor(one), tf.float64).numpy() for one in results]


def errors(results: list[np.ndarray], exact: list[np.ndarray]) -> list[float]:
    """Return the largest error of each result, by the largest of its values."""
    return [float(np.abs(one - right).max() / np.abs(right).max()) for one, right in zip(results, exact, strict=True)]


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("shape", [PICTURES, ROWS, (1, 3, 4, 2), (8, 3)], ids=str)
@pytest.mark.parametrize(("mean", "tolerance"), [(0.3, 3e-6), (10.0, 1e-4)])
def test_it_computes_what_keras_does(shape: tuple[int, ...], mean: float, tolerance: float, jit_compile: bool) -> None:
    """Float32 inputs whose mean is ten deviations hold a digit less of the deviations."""
    inputs = np.random.default_rng(0).normal(mean, 1.0, shape).astype(np.float32)
    exact = step(keras.layers.BatchNormalization, inputs, "float64", jit_compile=False)
    assert max(errors(step(BatchNormalization, inputs, "float32", jit_compile=jit_compile), exact)) < tolerance


@pytest.mark.parametrize("jit_compile", [False, True])
def test_both_ways_to_the_gradients_agree(jit_compile: bool) -> None:
    random = np.random.default_rng(0)
    outputs, values = (tf.constant(random.normal(0.3, 1.0, PICTURES), tf.float32) for _ in range(2))
    scale, mean, variance = (tf.constant(random.uniform(0.5, 1.5, PICTURES[-1:]), tf.float32) for _ in range(3))
    fused, plain = (
        [one.numpy() for one in tf.function(way, jit_compile=jit_compile)(outputs, values, scale, mean, variance, 1e-3)]
        for way in (fused_gradients, plain_gradients)
    )
    assert max(errors(plain, fused)) < 3e-6


@pytest.mark.parametrize("fields", [{"center": False}, {"scale": False}, {"axis": 1}, {"renorm": True}], ids=str)
def test_what_it_does_not_compute_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="over the last axis, with scale and center, without renorm and mask"):
        BatchNormalization(**fields).build(PICTURES)
    layer = BatchNormalization(axis=3)
    layer.build(PICTURES)
    with pytest.raises(ValueError, match="it is given a mask"):
        layer.call(tf.zeros(PICTURES), training=True, mask=tf.ones(PICTURES[:-1], tf.bool))


def test_many_values_of_a_channel_cost_no_digits() -> None:
    inputs = np.random.default_rng(0).normal(1.0, 1.0, (256, 28, 28, 4)).astype(np.float32)
    exact = step(keras.layers.BatchNormalization, inputs, "float64", jit_compile=False)
    kinds = keras.layers.BatchNormalization, BatchNormalization
    theirs, ours = (errors(step(kind, inputs, "float32", jit_compile=False), exact) for kind in kinds)
    assert max(ours) < 2e-6 < max(theirs)


def test_it_takes_bfloat16() -> None:
    inputs = np.random.default_rng(0).normal(0.3, 1.0, PICTURES)
    kinds = keras.layers.BatchNormalization, BatchNormalization
    theirs, ours = (step(kind, inputs, "mixed_bfloat16", jit_compile=False) for kind in kinds)
    assert max(errors(ours, theirs)) < 0.02  # bfloat16 has three digits


def test_outside_training_it_is_keras_layer() -> None:
    inputs = np.random.default_rng(0).normal(0.3, 1.0, PICTURES).astype(np.float32)
    layers = [kind() for kind in (keras.layers.BatchNormalization, BatchNormalization)]
    for layer in layers:
        layer.build(inputs.shape)
        layer.moving_mean.assign([1.0, 2.0, 3.0, 4.0, 5.0])
    theirs, ours = (layer(inputs, training=False) for layer in layers)
    np.testing.assert_array_equal(ours, theirs)

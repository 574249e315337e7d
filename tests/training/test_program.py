"""The compiled steps: right numbers, and a pure function of seed, epoch and step."""

import gc
from itertools import pairwise

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from tensorflow.python.framework.func_graph import FuncGraph

from support.choices import values
from support.garbage_searches import searches_among_graphs
from trialmaker.models import registry
from trialmaker.training import augmentation, optimizers, program_cache
from trialmaker.training.program import Program, data_order

IMAGES = np.random.default_rng(0).integers(0, 256, (96, 8, 8, 1), np.uint8)
LABELS = np.random.default_rng(1).integers(0, 3, 96).astype(np.int32)
MLP = {
    "hidden_units": [16],
    "activation": "tanh",
    "dropout_rate": 0.0,
    "batch_norm": False,
    "initializer": "glorot_uniform",
}


def program(name="adam", jit_compile=False, smoothing=0.0, changes=None, **fields):
    """A fresh program, always from the same initial weights."""
    keras.utils.set_random_seed(7)
    model = registry.builder("mlp")(input_shape=(8, 8, 1), num_classes=3, **(MLP | fields))
    built = Program(
        model=model,
        optimizer=optimizers.build(name=name, variables=model.trainable_variables),
        augment=changes or augmentation.build(name="none"),
        smooths_labels=smoothing > 0,
        jit_compile=jit_compile,
    )
    built.begin(model.get_weights(), dropout_rate=fields.get("dropout_rate", 0.0), label_smoothing=smoothing)
    return built


def over_data(built, rate=0.01, seed=3):
    """Its steps, at one learning rate."""
    run = built.steps_over(IMAGES, LABELS, seed=seed)
    return lambda order, *numbers: run(order, np.full(len(order), rate, np.float32), *numbers)


def training(*arguments, rate=0.01, **fields):
    built = program(*arguments, **fields)
    return built.model, over_data(built, rate)


def weights(model):
    return np.concatenate([weight.ravel() for weight in model.get_weights()])


def order(epoch=1):
    return data_order(seed=3, epoch=epoch, examples=96, batch_size=16)


@given(
    seed=st.integers(0, 2**31 - 1),
    epoch=st.integers(1, 10**6),
    examples=st.integers(1, 500),
    batch_size=st.integers(1, 64),
)
def test_data_order_is_a_permutation_without_the_last_partial_batch(seed, epoch, examples, batch_size):
    first, again = (data_order(seed=seed, epoch=epoch, examples=examples, batch_size=batch_size) for _ in range(2))
    assert first.shape == (examples // batch_size, batch_size) and first.dtype == np.int32
    assert len(np.unique(first)) == first.size
    assert np.array_equal(first, again)


def test_data_order_differs_between_epochs_and_seeds():
    orders = [
        data_order(seed=seed, epoch=epoch, examples=96, batch_size=16).tobytes() for seed in (0, 1) for epoch in (1, 2)
    ]
    assert len(set(orders)) == 4


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_steps_are_those_of_keras(smoothing):
    model, run = training("sgd", rate=0.1, smoothing=smoothing)
    reference, _ = training("sgd")
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing)
    reference.compile(keras.optimizers.SGD(0.1), loss)
    losses, accuracies = run(order(), 0, 6, 0)
    for batch, ours in zip(order(), losses, strict=True):
        theirs = reference.train_on_batch(IMAGES[batch] / np.float32(255), np.eye(3)[LABELS[batch]])
        assert ours == pytest.approx(theirs, rel=1e-4)
    np.testing.assert_allclose(weights(model), weights(reference), rtol=1e-3, atol=1e-6)
    assert all(0 <= accuracy <= 1 for accuracy in accuracies)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("changes", ["none", "shift", "affine"])
def test_where_an_epoch_is_cut_into_calls_changes_no_bit(jit_compile, changes):
    fields = {
        "shift": {"pixels": 1},
        "affine": {"degrees": 10.0, "scale": 0.1, "shear": 0.1, "pixels": 1.0, "elastic_pixels": 1.0},
    }
    ends = []
    for cuts in ([0, 6], [0, 1, 2, 5, 6]):
        model, run = training(
            jit_compile=jit_compile,
            dropout_rate=0.3,
            batch_norm=True,
            changes=augmentation.build(name=changes, **fields.get(changes, {})),
        )
        for start, stop in pairwise(cuts):
            run(order(), start, stop, 0)
        ends.append(weights(model).tobytes())
    assert ends[0] == ends[1]


def test_dropout_depends_on_the_step_and_not_on_what_ran_before():
    """The step that an interrupted run begins with draws what it would have drawn."""
    through, run = training(dropout_rate=0.5)
    run(order(), 0, 3, 0)
    at_three = through.get_weights()
    run(order(), 3, 4, 0)
    resumed, run_again = training("adam", dropout_rate=0.5)
    resumed.set_weights(at_three)
    losses, _ = run_again(order(), 3, 4, 0)
    through.set_weights(at_three)
    assert losses[0] == run(order(), 3, 4, 0)[0][0]
    through.set_weights(at_three)
    assert losses[0] != run(order(), 3, 4, 100)[0][0]


def test_xla_and_no_xla_agree():
    ends = []
    for jit_compile in (False, True):
        model, run = training(jit_compile=jit_compile)
        run(order(), 0, 6, 0)
        ends.append(weights(model))
    np.testing.assert_allclose(*ends, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_loss_that_is_not_finite_ends_the_call(jit_compile):
    _, run = training("sgd", rate=1e30, activation="relu", jit_compile=jit_compile)
    losses, _ = run(order(), 0, 6, 0)
    assert len(losses) < 6
    assert np.isfinite(losses[:-1]).all() and not np.isfinite(losses[-1])


def test_without_replicas_no_error_is_the_loss_of_one():
    def augment(images, _):
        def fail(_):
            raise ValueError("Collective ops is aborted by: nobody")

        return tf.ensure_shape(tf.py_function(fail, [images], tf.float32), images.shape)

    with pytest.raises(tf.errors.OpError, match="aborted by: nobody"):
        over_data(program(changes=augment))(order(), 0, 6, 0)


@pytest.mark.parametrize("count", [1, 96, 499, 500, 501, 1003])
def test_logits_are_those_of_the_model_for_any_number_of_images(count):
    built = program()
    images = np.random.default_rng(2).integers(0, 256, (count, 8, 8, 1), np.uint8)
    expected = np.asarray(built.model(images / np.float32(255)))
    np.testing.assert_allclose(built.logits(images), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", optimizers.CLASSES)
def test_an_earlier_training_with_the_program_leaves_no_trace(name):
    """Weights, the optimizer's state, data, seed and learning rate are all of the training that runs."""
    ends = []
    for used in (False, True):
        built = program(name, dropout_rate=0.3, batch_norm=True, changes=augmentation.build(name="shift", pixels=1))
        initial = built.model.get_weights()
        if used:
            built.begin(initial, dropout_rate=0.6, weight_decay=0.1)
            over_data(built, rate=0.02, seed=4)(order(2), 0, 4, 0)
        built.begin(initial, dropout_rate=0.3)
        over_data(built)(order(), 0, 6, 0)
        ends.append(weights(built.model).tobytes())
    assert ends[0] == ends[1]


def test_dropout_rates_belong_to_their_places() -> None:
    built = program(hidden_units=[4, 5, 6], dropout_rate=[0.5, 0.0, 0.5])
    built.begin(built.model.get_weights(), dropout_rate=[0.1, 0.0, 0.3])
    layers = [layer for layer in built.model.layers if isinstance(layer, keras.layers.Dropout)]
    assert [float(layer.rate) for layer in layers] == pytest.approx([0.1, 0.3])


def test_a_program_serves_all_rates_of_the_same_places() -> None:
    def prepared(*rates: float) -> Program:
        fields = {"model": MLP | {"name": "mlp", "hidden_units": (4, 5), "dropout_rate": rates}}
        shape = {"input_shape": (8, 8, 1), "num_classes": 3}
        weights = program_cache.initialized_model(**fields, **shape, seed=0).get_weights()
        optimizer = {"name": "sgd", "learning_rate": 0.1, "weight_decay": None}
        fields |= {"optimizer": optimizer, "augment": {"name": "none"}}
        return program_cache.prepare_program(weights=weights, label_smoothing=0, jit_compile=False, **fields, **shape)

    first = prepared(0.0, 0.3)
    assert prepared(0.0, 0.2) is first
    assert prepared(0.1, 0.2) is not first


def test_each_step_takes_its_own_learning_rate():
    built = program("sgd")
    before = weights(built.model)
    built.steps_over(IMAGES, LABELS, seed=3)(order(), np.zeros(6, np.float32), 0, 5, 0)
    np.testing.assert_array_equal(weights(built.model), before)
    built.steps_over(IMAGES, LABELS, seed=3)(order(), np.array([0, 0, 0, 0, 0, 0.1], np.float32), 0, 6, 0)
    assert (weights(built.model) != before).any()


def test_a_program_that_is_not_used_any_more_is_freed():
    """What TensorFlow and Keras keep of it for ever would add up over the runs of a multirun."""

    def graphs():
        gc.collect()
        return sum(isinstance(found, FuncGraph) for found in gc.get_objects())

    before = graphs()
    over_data(program("adamw", dropout_rate=0.3, batch_norm=True))(order(), 0, 6, 0)
    assert graphs() <= before


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_what_trains_in_bfloat16_is_evaluated_in_float32(name: str) -> None:
    networks = {
        "mlp": MLP | {"hidden_units": (16,), "dropout_rate": 0.5, "batch_norm": True},
        "cnn": values("model", "cnn") | {"filters": (4,), "dense_units": (8,), "dropout_rate": 0.5},
    }
    fields = {"model": networks[name] | {"name": name}, "input_shape": (8, 8, 1), "num_classes": 3}
    exact = program_cache.initialized_model(**fields, seed=0)
    fields |= {"optimizer": values("optimizer", "adam"), "augment": {"name": "none"}, "label_smoothing": 0}
    weights = exact.get_weights()
    built = program_cache.prepare_program(weights=weights, jit_compile=False, precision="bfloat16", **fields)
    losses, _ = over_data(built)(order(), 0, 6, 0)
    assert losses.dtype == np.float32 and {weight.dtype for weight in built.model.get_weights()} == {np.dtype("f4")}
    assert built.model.layers[1].compute_dtype == "bfloat16"
    exact.set_weights(built.model.get_weights())
    expected = exact(IMAGES.astype(np.float32) / 255, training=False)
    np.testing.assert_allclose(built.logits(IMAGES), expected, rtol=1e-5, atol=1e-5)


def test_no_garbage_is_looked_for_while_a_program_is_traced() -> None:
    """Another thread that did would wait for this one, and this one for it."""
    shape = {"input_shape": (5, 6, 1), "num_classes": 3}
    model = values("model", "mlp") | {"hidden_units": (7,), "dropout_rate": 0.1}
    images, labels = np.zeros((8, 5, 6, 1), np.uint8), np.zeros(8, np.int32)
    with searches_among_graphs() as found:
        weights = program_cache.initialized_model(model=model, seed=3, **shape).get_weights()
        program = program_cache.prepare_program(
            weights=weights,
            model=model,
            optimizer=values("optimizer", "adam"),
            augment=values("augment", "shift"),
            label_smoothing=0.0,
            jit_compile=None,
            **shape,
        )
        order = data_order(seed=0, epoch=1, examples=8, batch_size=4)
        program.steps_over(images, labels, seed=0)(order, np.full(2, 0.01, np.float32), 0, 2, 0)
        program.evaluate(images, labels)
    assert not found

"""The loop: its events, its ends, and the weights it leaves."""

import math

import keras
import numpy as np
import pytest

from trialmaker.data.splits import Split
from trialmaker.errors import UserError
from trialmaker.models import registry
from trialmaker.training import augmentation, loop, optimizers
from trialmaker.training.events import EarlyValidation, EpochDone, StepsDone, Stopping
from trialmaker.training.loop_state import LoopState
from trialmaker.training.metrics import loss_and_accuracy
from trialmaker.training.objective import Objective
from trialmaker.training.plan import TrainingPlan
from trialmaker.training.program import Program


def examples(count, seed):
    """A task that a small net learns: which third of the picture is bright."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 3, count).astype(np.int32)
    images = draw.integers(0, 60, (count, 6, 6, 1), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[2 * label : 2 * label + 2] += 150
    return Split(images, labels)


def fit(listeners=(), rate=0.05, stop=lambda: None, **changes):
    keras.utils.set_random_seed(0)
    fields = {
        "hidden_units": [8],
        "activation": "relu",
        "dropout_rate": 0.0,
        "batch_norm": False,
        "initializer": "glorot_uniform",
    }
    model = registry.builder("mlp")(input_shape=(6, 6, 1), num_classes=3, **fields)
    program = Program(
        model=model,
        optimizer=optimizers.build(name="sgd", variables=model.trainable_variables),
        augment=augmentation.build(name="none"),
        smooths_labels=False,
        jit_compile=False,
    )
    program.begin(model.get_weights())
    arguments = {
        "learning_rates": lambda steps: np.full_like(steps, rate),
        "objective": Objective("val_loss", "minimize"),
        "seed": 0,
        "epochs": 3,
        "batch_size": 16,
    }
    plan = TrainingPlan(**(arguments | changes))
    train, validation = examples(100, 0), examples(40, 1)
    outcome = loop.fit(
        plan,
        program=program,
        train=train,
        validation=validation,
        state=LoopState(),
        stop=stop,
        listeners=list(listeners),
    )
    return outcome, model


def test_events_tell_every_step_once_and_every_epoch_after_its_steps():
    events = []
    outcome, _ = fit([events.append])
    losses = [loss for event in events if isinstance(event, StepsDone) for loss in event.losses]
    epochs = [event for event in events if isinstance(event, EpochDone)]
    assert len(losses) == 3 * 6
    assert [event.epoch for event in epochs] == [1, 2, 3]
    assert [event.step for event in events if isinstance(event, StepsDone)][-1] == 18
    assert epochs[0].metrics["loss"] == pytest.approx(np.mean(losses[:6]))
    names = "loss accuracy val_loss val_accuracy learning_rate seconds examples_per_second"
    assert list(epochs[0].metrics) == names.split()
    assert (outcome.epochs, outcome.reason) == (3, "epochs")


def test_an_early_validation_comes_after_its_steps_once_and_changes_no_weight():
    events = []
    _, model = fit([events.append], early_validation=0.5)
    early = [event for event in events if isinstance(event, EarlyValidation)]
    assert [event.step for event in early] == [3]
    before = events[: events.index(early[0])]
    losses = [loss for event in before if isinstance(event, StepsDone) for loss in event.losses]
    assert len(losses) == 3 and early[0].metrics["loss"] == pytest.approx(np.mean(losses))
    assert 0 <= early[0].metrics["val_accuracy"] <= 1
    for weight, other in zip(model.get_weights(), fit()[1].get_weights(), strict=True):
        np.testing.assert_array_equal(weight, other)


def test_it_learns_and_leaves_the_best_weights():
    outcome, model = fit(epochs=30, rate=0.5)
    validation = examples(40, 1)
    loss, accuracy = loss_and_accuracy(np.asarray(model(validation.images / np.float32(255))), validation.labels)
    assert accuracy == 1.0
    assert loss == pytest.approx(outcome.best.metrics["val_loss"], rel=1e-4)


@pytest.mark.parametrize(("direction", "best"), [("minimize", 30), ("maximize", 1)])
def test_the_direction_decides_what_is_best(direction, best):
    outcome, _ = fit(epochs=30, objective=Objective("loss", direction))
    assert outcome.best.epoch == best


def test_patience_counts_epochs_without_a_better_objective():
    outcome, _ = fit(epochs=50, patience=4, objective=Objective("val_loss", "maximize"))
    assert (outcome.best.epoch, outcome.epochs, outcome.reason) == (1, 5, "patience")


def test_a_reason_to_stop_ends_the_epoch_begun_and_validates_it():
    events = []
    outcome, _ = fit([events.append], epochs=50, stop=lambda: "SIGTERM")
    assert (outcome.epochs, outcome.reason) == (1, "SIGTERM")
    assert [type(event) for event in events] == [StepsDone, Stopping, EpochDone]
    assert events[1] == Stopping("SIGTERM", epoch=1, step=1)
    assert events[2].stopped_by == "SIGTERM"
    assert outcome.best.metrics["val_loss"] > 0


def test_a_loss_that_is_not_finite_names_its_step():
    with pytest.raises(UserError) as caught:
        fit(rate=1e30)
    assert str(caught.value) == (
        "loss became nan at step 2 (epoch 1): lower optimizer.learning_rate,"
        " or limit the gradients with optimizer.global_clipnorm=1"
    )


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(UserError, match=r"^training.batch_size=101 is more than the 100 training examples: lower it$"):
        fit(batch_size=101)


def test_loss_and_accuracy_are_those_of_keras():
    draw = np.random.default_rng(0)
    logits, labels = draw.normal(0, 30, (500, 7)).astype(np.float32), draw.integers(0, 7, 500).astype(np.int32)
    loss, accuracy = loss_and_accuracy(logits, labels)
    theirs = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(labels, logits)
    assert loss == pytest.approx(float(theirs), rel=1e-5)
    assert accuracy == pytest.approx(float(np.mean(keras.metrics.sparse_categorical_accuracy(labels, logits))))


@pytest.mark.parametrize(
    ("direction", "value", "than", "better"),
    [
        ("maximize", (2.0, 0.5), (1.0, 0.5), True),
        ("maximize", (1.0, 0.5), (2.0, 0.9), False),
        ("minimize", (1.0, 0.5), (2.0, 0.5), True),
        ("minimize", (2.0, 0.5), (1.0, 0.9), False),
        ("maximize", (1.0, 0.5), (1.0, 0.6), True),  # a tie: the lower validation loss
        ("maximize", (1.0, 0.6), (1.0, 0.5), False),
        ("maximize", (1.0, 0.5), (1.0, 0.5), False),  # the earlier one stays
        ("maximize", (math.nan, 0.5), (1.0, 0.5), False),
        ("minimize", (math.nan, 0.5), (1.0, 0.5), False),
    ],
)
def test_better(direction, value, than, better):
    metrics, others = ({"x": x, "val_loss": val_loss} for x, val_loss in (value, than))
    assert Objective("x", direction).is_better(metrics, others) is better

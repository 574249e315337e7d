"""Learning-rate schedules, over 4 epochs of 25 steps."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from support.choices import values
from trialmaker.training import schedules


def rates(name, **changes):
    fields = values("schedule", name) | changes
    shape = schedules.schedule(**fields, learning_rate=2.0, steps_per_epoch=25, epochs=4)
    return shape(tf.range(100.0)).numpy()


def test_constant():
    assert set(rates("constant")) == {2.0}


def test_exponential_multiplies_by_its_rate_each_epoch():
    np.testing.assert_allclose(rates("exponential", decay_rate=0.5)[[0, 25, 50]], [2, 1, 0.5], rtol=1e-6)


def test_cosine_rises_in_its_warm_up_and_is_that_of_keras_after_it():
    ours = rates("cosine", warmup_epochs=1.0, final_fraction=0.1)
    theirs = keras.optimizers.schedules.CosineDecay(2.0, 75, alpha=0.1)
    np.testing.assert_allclose(ours[:25], np.arange(1, 26) * 2 / 25, rtol=1e-5)
    np.testing.assert_allclose(ours[25:], [float(theirs(step)) for step in range(75)], rtol=1e-5)


def test_cosine_without_warm_up_starts_at_the_top():
    assert rates("cosine", warmup_epochs=0.0)[0] == 2.0


def test_one_cycle_rises_to_the_top_and_falls_to_nothing():
    ours = rates("one_cycle", warmup_fraction=0.3, initial_fraction=0.04, final_fraction=0.0)
    assert ours[0] == pytest.approx(0.08)
    assert ours.argmax() == 30 and ours[30] == pytest.approx(2.0)
    assert (np.diff(ours[:31]) > 0).all() and (np.diff(ours[30:]) < 0).all()
    assert ours[-1] < 0.01

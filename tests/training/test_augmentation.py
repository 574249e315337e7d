"""Every augmentation does what its name says, and is a pure function of its seed."""

import numpy as np
import pytest
import tensorflow as tf

from support.choices import values
from trialmaker.training import augmentation

SEED = tf.constant([1, 2])
PICTURES = np.random.default_rng(0).random((64, 9, 7, 2)).astype(np.float32)


def test_none_changes_nothing():
    assert np.array_equal(augmentation.build(name="none")(PICTURES, SEED), PICTURES)


def test_shift_moves_each_picture_by_whole_pixels_and_fills_with_zeros():
    shifted = np.asarray(augmentation.build(name="shift", pixels=2)(tf.constant(PICTURES), SEED))
    seen = set()
    for before, after in zip(PICTURES, shifted, strict=True):
        padded = np.pad(before, ((2, 2), (2, 2), (0, 0)))
        fits = [(y, x) for y in range(5) for x in range(5) if np.array_equal(padded[y : y + 9, x : x + 7], after)]
        assert len(fits) == 1
        seen |= set(fits)
    assert len(seen) > 20, "of 25 possible shifts, 64 pictures should show most"


def test_affine_of_nothing_changes_nothing():
    still = augmentation.build(name="affine", degrees=0.0, scale=0.0, shear=0.0, pixels=0.0)(
        tf.constant(PICTURES), SEED
    )
    np.testing.assert_allclose(still, PICTURES, atol=1e-5)


def test_bilinear_takes_pixels_between_pixels_and_zero_outside():
    picture = tf.reshape(tf.range(12, dtype=tf.float32), (1, 3, 4, 1))
    y, x = tf.constant([[[1.0, 0.5, -5.0]]]), tf.constant([[[2.0, 0.5, 1.0]]])
    assert augmentation._bilinear(picture, tf.tile(y, (1, 3, 2))[:, :, :4], tf.tile(x, (1, 3, 2))[:, :, :4])[
        0, 0, :3, 0
    ].numpy().tolist() == [6.0, 2.5, 0.0]


def test_affine_rotates_about_the_centre():
    dot = np.zeros((256, 9, 9, 1), np.float32)
    dot[:, 4, 7] = 1.0
    turned = np.asarray(augmentation.build(name="affine", degrees=180.0, scale=0.0, shear=0.0, pixels=0.0)(dot, SEED))
    y, x = np.meshgrid(np.arange(9) - 4, np.arange(9) - 4, indexing="ij")
    weight = turned[..., 0] / turned.sum((1, 2, 3))[:, None, None]
    radius = np.hypot((weight * y).sum((1, 2)), (weight * x).sum((1, 2)))
    np.testing.assert_allclose(radius, 3.0, atol=0.35)
    angles = np.arctan2((weight * y).sum((1, 2)), (weight * x).sum((1, 2)))
    assert np.histogram(angles, 8, (-np.pi, np.pi))[0].min() > 10, "evenly over the circle"


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("name", ["shift", "affine"])
def test_an_augmentation_is_a_pure_function_of_its_seed(name, jit_compile):
    change = tf.function(augmentation.build(**values("augment", name)), jit_compile=jit_compile)
    first, again, other = (np.asarray(change(tf.constant(PICTURES), seed)) for seed in (SEED, SEED, SEED + 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


@pytest.mark.parametrize("name", augmentation.FUNCTIONS)
@pytest.mark.parametrize("part", [slice(0, 21), slice(21, 22), slice(22, 64)])
def test_a_part_of_a_batch_is_changed_as_the_whole_batch_changes_it(name, part):
    changes = augmentation.build(**values("augment", name))
    ours = changes(tf.constant(PICTURES[part]), SEED, (part.start, len(PICTURES)))
    np.testing.assert_allclose(ours, np.asarray(changes(tf.constant(PICTURES), SEED))[part], atol=1e-6)

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


def affine(**fields):
    """An affine augmentation with nothing but these fields."""
    return augmentation.build(
        name="affine", **{"degrees": 0.0, "scale": 0.0, "shear": 0.0, "pixels": 0.0, "elastic_pixels": 0.0, **fields}
    )


def test_affine_of_nothing_changes_nothing():
    np.testing.assert_allclose(affine()(tf.constant(PICTURES), SEED), PICTURES, atol=1e-5)


def test_an_image_is_bent_smoothly_and_by_no_more_than_is_said():
    """A picture whose values are its places shows where each pixel has come from."""
    places = np.stack(np.meshgrid(np.arange(28), np.arange(28), indexing="ij"), axis=-1).astype(np.float32)
    bent = np.asarray(affine(elastic_pixels=2.0)(tf.constant(np.tile(places, (64, 1, 1, 1))), SEED))
    moved = (bent - places)[:, 3:-3, 3:-3]  # where nothing has come from outside
    assert 0.5 < np.abs(moved).std() * 2 < 2.0 and np.abs(moved).max() <= 2.0
    assert np.abs(moved.mean(axis=(0, 1, 2))).max() < 0.1, "as often one way as the other"
    assert moved.std(axis=(1, 2)).min() > 0.1, "no mere shift"
    steps = np.diff(moved, axis=1), np.diff(moved, axis=2)
    assert max(np.abs(step).max() for step in steps) < 0.75, "no two neighbours change places"


@pytest.mark.parametrize("size", [1, 5, 28, 224])
def test_a_field_of_equal_points_is_flat(size):
    np.testing.assert_allclose(augmentation._spline_weights(size).sum(axis=1), 1.0, rtol=1e-6)


def test_bilinear_takes_pixels_between_pixels_and_zero_outside():
    picture = tf.reshape(tf.range(12, dtype=tf.float32), (1, 3, 4, 1))
    y, x = tf.constant([[[1.0, 0.5, -5.0]]]), tf.constant([[[2.0, 0.5, 1.0]]])
    assert augmentation._bilinear(picture, tf.tile(y, (1, 3, 2))[:, :, :4], tf.tile(x, (1, 3, 2))[:, :, :4])[
        0, 0, :3, 0
    ].numpy().tolist() == [6.0, 2.5, 0.0]


def test_affine_rotates_about_the_centre():
    dot = np.zeros((256, 9, 9, 1), np.float32)
    dot[:, 4, 7] = 1.0
    turned = np.asarray(affine(degrees=180.0)(dot, SEED))
    y, x = np.meshgrid(np.arange(9) - 4, np.arange(9) - 4, indexing="ij")
    weight = turned[..., 0] / turned.sum((1, 2, 3))[:, None, None]
    radius = np.hypot((weight * y).sum((1, 2)), (weight * x).sum((1, 2)))
    np.testing.assert_allclose(radius, 3.0, atol=0.35)
    angles = np.arctan2((weight * y).sum((1, 2)), (weight * x).sum((1, 2)))
    assert np.histogram(angles, 8, (-np.pi, np.pi))[0].min() > 10, "evenly over the circle"


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("change", [augmentation.build(name="shift", pixels=2), affine(elastic_pixels=2.0)])
def test_an_augmentation_is_a_pure_function_of_its_seed(change, jit_compile):
    change = tf.function(change, jit_compile=jit_compile)
    first, again, other = (np.asarray(change(tf.constant(PICTURES), seed)) for seed in (SEED, SEED, SEED + 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


CHOICES = [augmentation.build(**values("augment", name)) for name in augmentation.FUNCTIONS]


@pytest.mark.parametrize("changes", [*CHOICES, affine(elastic_pixels=2.0)])
@pytest.mark.parametrize("part", [slice(0, 21), slice(21, 22), slice(22, 64)])
def test_a_part_of_a_batch_is_changed_as_the_whole_batch_changes_it(changes, part):
    ours = changes(tf.constant(PICTURES[part]), SEED, (part.start, len(PICTURES)))
    np.testing.assert_allclose(ours, np.asarray(changes(tf.constant(PICTURES), SEED))[part], atol=1e-6)

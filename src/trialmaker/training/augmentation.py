"""Random changes of training images, inside the graph, each a pure function of (images, seed)."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

ELASTIC_SPACING = 6  # pixels between the points that bend an image
Part = tuple[int, int]  # where images begin in their batch, and how many images that has


class Augment(Protocol):
    """A function of images and seed; they may be a part of the batch for which the seed draws."""

    def __call__(self, images: tf.Tensor, seed: tf.Tensor, part: Part | None = None) -> tf.Tensor:
        """Return the changed images, float32 [N, H, W, C]; those that the whole batch would bring in their place."""


def none(images: tf.Tensor, seed: tf.Tensor, part: Part | None = None) -> tf.Tensor:
    """Return the images themselves."""
    del seed, part
    return images


def shift(images: tf.Tensor, seed: tf.Tensor, part: Part | None = None, *, pixels: int) -> tf.Tensor:
    """Move each image by whole pixels, drawn uniformly from [-pixels, pixels] along each axis."""
    count, height, width, _ = images.shape
    offsets = _draw((2, count, 1), part, seed, 0, 2 * pixels + 1, tf.int32)
    padded = tf.pad(images, [[0, 0], [pixels, pixels], [pixels, pixels], [0, 0]])
    rows = tf.gather(padded, offsets[0] + tf.range(height), axis=1, batch_dims=1)
    return tf.gather(rows, offsets[1] + tf.range(width), axis=2, batch_dims=1)


def affine(
    images: tf.Tensor,
    seed: tf.Tensor,
    part: Part | None = None,
    *,
    degrees: float,
    scale: float,
    shear: float,
    pixels: float,
    elastic_pixels: float,
) -> tf.Tensor:
    """Rotate, scale, shear, move and bend each image about its centre, bilinearly, every amount drawn uniformly."""
    count, height, width, _ = images.shape
    draws = _draw((5, count, 1, 1), part, seed, -1.0, 1.0)
    angle, size, slant = draws[0] * math.radians(degrees), 1.0 + draws[1] * scale, draws[2] * shear
    y = tf.reshape(tf.range(height, dtype=tf.float32) - (height - 1) / 2, (1, height, 1))
    x = tf.reshape(tf.range(width, dtype=tf.float32) - (width - 1) / 2, (1, 1, width))
    source_y = (tf.cos(angle) * y + tf.sin(angle) * x) / size
    source_x = (tf.cos(angle) * x - tf.sin(angle) * y) / size + slant * source_y
    source_y += draws[3] * pixels + (height - 1) / 2
    source_x += draws[4] * pixels + (width - 1) / 2
    if elastic_pixels:
        bends = elastic_pixels * _smooth_fields(images, seed, part)
        source_y, source_x = source_y + bends[0], source_x + bends[1]
    return _bilinear(images, source_y, source_x)


def _smooth_fields(images: tf.Tensor, seed: tf.Tensor, part: Part | None) -> tf.Tensor:
    """Return two random fields for each image, float32 [2, N, H, W] in [-1, 1]: cubic B-splines of uniform numbers.

    These numbers lie ELASTIC_SPACING pixels apart (free-form deformation: Rueckert et al., 1999).
    """
    count, height, width, _ = images.shape
    rows, columns = _spline_weights(height), _spline_weights(width)
    seed = tf.random.experimental.stateless_fold_in(seed, 1)
    points = _draw((2, count, rows.shape[1], columns.shape[1]), part, seed, -1.0, 1.0)
    return tf.einsum("hy,fnyx,wx->fnhw", rows, points, columns)


def _spline_weights(size: int) -> np.ndarray:
    """Return how much each control point counts at each of so many pixels: float32 [size, points], rows of sum 1."""
    points = math.ceil(size / ELASTIC_SPACING) + 3
    distance = np.abs(np.arange(size)[:, None] / ELASTIC_SPACING + 1 - np.arange(points))
    near, far = 2 / 3 - distance**2 + distance**3 / 2, (2 - distance) ** 3 / 6
    return np.where(distance < 1, near, np.where(distance < 2, far, 0)).astype(np.float32)


def _draw(shape: tuple[int, ...], part: Part | None, seed: tf.Tensor, *uniform: Any) -> tf.Tensor:
    """Return uniform numbers of that shape, whose second axis is that of the images; those of a part of a batch."""
    if part is None:
        return tf.random.stateless_uniform(shape, seed, *uniform)
    first, size = part
    draws = tf.random.stateless_uniform((shape[0], size, *shape[2:]), seed, *uniform)
    return draws[:, first : first + shape[1]]


def _bilinear(images: tf.Tensor, y: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """Return the values of images at the points (y, x), float32 [N, H, W] in pixels; 0 outside."""
    count, height, width, channels = images.shape
    padded = tf.reshape(tf.pad(images, [[0, 0], [1, 2], [1, 2], [0, 0]]), (count, -1, channels))
    y = tf.clip_by_value(y, -1.0, height) + 1.0  # the border of zeros takes what lies outside
    x = tf.clip_by_value(x, -1.0, width) + 1.0
    top, left = tf.floor(y), tf.floor(x)
    down, right = (y - top)[..., None], (x - left)[..., None]
    corner = tf.cast(top, tf.int32) * (width + 3) + tf.cast(left, tf.int32)

    def at(offset: int) -> tf.Tensor:
        flat = tf.gather(padded, tf.reshape(corner + offset, (count, -1)), axis=1, batch_dims=1)
        return tf.reshape(flat, (count, height, width, channels))

    upper = (1 - right) * at(0) + right * at(1)
    lower = (1 - right) * at(width + 3) + right * at(width + 4)
    return (1 - down) * upper + down * lower


FUNCTIONS: dict[str, Callable[..., tf.Tensor]] = {"none": none, "shift": shift, "affine": affine}


def build(*, name: str, **fields: float) -> Augment:
    """Return the augmentation of ``conf/augment/<name>.yaml``.

    Returns:
        a function of images (float32 [N, H, W, C]) and a seed (int32 [2]) that gives images of the same shape. What
        comes into the picture from outside is 0.
    """
    return partial(FUNCTIONS[name], **fields)

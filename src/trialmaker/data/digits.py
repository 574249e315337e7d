"""A small stand-in for MNIST that needs no download: the 1,797 handwritten digits that come with scikit-learn.

They are the test set of "Optical Recognition of Handwritten Digits" (Alpaydin, Kaynak 1998,
https://doi.org/10.24432/C50P49): real handwriting, 8 x 8 pixels of 0..16, converted here to the format of MNIST.
"""

from importlib.metadata import distribution

import numpy as np

from trialmaker.data.splits import Dataset, Split
from trialmaker.data.stratified import split_three_ways

IMAGE_SIDE = 28  # pixels
DIGIT_SIDE = 20  # of the digit's longer side, pixels, as in MNIST
UPSCALING = 8  # the outline is drawn on a grid this much finer
# Grey value at which the outline runs, and the width of its ramp, in 0..255. Chosen by eye and by numbers:
# brightness as in MNIST (mean 37, there 33; deviation 80, there 79), while thin strokes, weak in 8 x 8, do not break.
OUTLINE_VALUE, RAMP_WIDTH = 120, 120


def load(*, validation_fraction: float, test_fraction: float, split_seed: int) -> Dataset:
    """Load the digits, in half a second.

    Args:
        validation_fraction: share of every class of all 1,797 examples; 0 leaves that split empty.
        test_fraction: the same for the test split; the sum of both is below 1.
        split_seed: seed of both splits, at least 0.

    Returns:
        Images uint8 [N, 28, 28, 1], 0 is paper and 255 is ink; labels int32 0..9.

    Raises:
        UserError: a fraction or the seed is out of range.
    """
    package = distribution("scikit-learn")
    # Its file, and not its load_digits: importing scikit-learn takes longer than all the rest.
    rows = np.loadtxt(str(package.locate_file("sklearn/datasets/data/digits.csv.gz")), delimiter=",")
    labels = rows[:, -1].astype(np.int32)
    images = np.stack([to_mnist_form(row.reshape(8, 8)) for row in rows[:, :-1]])[..., np.newaxis]
    parts = split_three_ways(
        labels, validation_fraction=validation_fraction, test_fraction=test_fraction, seed=split_seed
    )
    train, validation, test = (Split(images[part], labels[part]) for part in parts)
    source = f"scikit-learn {package.version}, load_digits"
    return Dataset("digits", source, tuple("0123456789"), train, validation, test)


def to_mnist_form(digit: np.ndarray) -> np.ndarray:
    """Scale a digit to 20 pixels, and centre it by its centre of mass in 28 x 28, as MNIST's authors did.

    Args:
        digit: float [8, 8] in 0..16, with at least one value above 0.

    Returns:
        uint8 [28, 28], 0 is paper and 255 is ink.
    """
    from PIL import Image  # imported late: mnist does not need it

    # A pixel of paper all around, so that strokes on the border get an outline there too.
    padded = Image.fromarray(np.pad(digit * (255 / 16), 1).astype(np.uint8))
    fine = padded.resize((UPSCALING * padded.width, UPSCALING * padded.height), Image.Resampling.BICUBIC)
    # Enlarged 8 x 8 is a blur, MNIST's ink is full up to a thin edge: so draw the outline first, then scale down.
    ramp = np.clip((np.arange(256) - OUTLINE_VALUE) / RAMP_WIDTH + 0.5, 0, 1) * 255
    fine = fine.point(ramp.astype(np.uint8).tolist())
    left, top, right, bottom = fine.getbbox() or (0, 0, *fine.size)
    scale = DIGIT_SIDE / max(right - left, bottom - top)
    size = (max(1, round(scale * (right - left))), max(1, round(scale * (bottom - top))))
    return _centre(np.asarray(fine.resize(size, Image.Resampling.BILINEAR, box=(left, top, right, bottom))))


def _centre(ink: np.ndarray) -> np.ndarray:
    """Place an image, uint8 [h, w], on 28 x 28 pixels, with its centre of mass as near to the middle as it fits."""
    canvas = np.zeros((IMAGE_SIDE, IMAGE_SIDE), dtype=np.uint8)
    corner = []
    for axis in (0, 1):
        mass = ink.sum(axis=1 - axis, dtype=np.int64)
        middle = (mass * (np.arange(len(mass)) + 0.5)).sum() / mass.sum()
        corner.append(int(np.clip(round(IMAGE_SIDE / 2 - middle), 0, IMAGE_SIDE - len(mass))))
    canvas[corner[0] : corner[0] + ink.shape[0], corner[1] : corner[1] + ink.shape[1]] = ink
    return canvas

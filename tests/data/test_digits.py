"""scikit-learn's digits in MNIST's form: do they look like MNIST?"""

from pathlib import Path

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from trialmaker.data import digits, mnist
from trialmaker.data.splits import Dataset, Split
from trialmaker.errors import UserError


def load(*, validation_fraction: float = 0.15, test_fraction: float = 0.2, split_seed: int = 0) -> Dataset:
    return digits.load(validation_fraction=validation_fraction, test_fraction=test_fraction, split_seed=split_seed)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return load()


@pytest.fixture(scope="module")
def images(dataset: Dataset) -> np.ndarray:
    """All images, uint8 [1797, 28, 28]."""
    return np.concatenate([part.images for part in (dataset.train, dataset.validation, dataset.test)])[..., 0]


def test_the_form(dataset: Dataset) -> None:
    assert dataset.name == "digits"
    assert dataset.source.startswith("scikit-learn 1.")
    assert dataset.class_names == ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
    assert dataset.input_shape == (28, 28, 1)
    for part, count in ((dataset.train, 1168), (dataset.validation, 270), (dataset.test, 359)):
        assert len(part) == count
        assert part.images.shape == (count, 28, 28, 1)
        assert part.images.dtype == np.uint8
        assert part.images.flags.c_contiguous
        assert part.labels.dtype == np.int32
        assert (np.bincount(part.labels, minlength=10) >= 26).all()


def test_the_longer_side_is_20_pixels(images: np.ndarray) -> None:
    for image in images:
        rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
        assert 19 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= 20


def test_the_centre_of_mass_is_in_the_middle(images: np.ndarray) -> None:
    mass = images.sum(axis=(1, 2), dtype=np.float64)
    for axis in (1, 2):
        centre = (images.sum(axis=axis, dtype=np.float64) @ (np.arange(28) + 0.5)) / mass
        assert (abs(centre - 14) <= 0.5).all()


def test_ink_as_in_mnist(images: np.ndarray) -> None:
    """MNIST: mean 33.3, deviation 78.6; 7 % of the pixels are full ink, 81 % are bare paper."""
    assert images.mean() == pytest.approx(33.3, rel=0.15)
    assert images.std() == pytest.approx(78.6, rel=0.05)
    assert (images > 250).mean() == pytest.approx(0.07, abs=0.02)
    assert (images == 0).mean() == pytest.approx(0.81, abs=0.07)


def test_every_digit_has_full_ink_and_paper(images: np.ndarray) -> None:
    assert (images.max(axis=(1, 2)) > 190).all()
    assert (images.min(axis=(1, 2)) == 0).all()


def test_a_classifier_of_mnist_reads_them(dataset: Dataset, real_mnist: Path) -> None:
    """The nearest of 3,000 of MNIST's digits has the right label for most of these; chance is 10 %."""
    full = mnist.load(directory=real_mnist, download=False, mirrors=[], validation_fraction=0.05, split_seed=0)
    examples = full.validation
    classifier = KNeighborsClassifier(1, algorithm="brute").fit(_flat(examples), examples.labels)
    assert classifier.score(_flat(dataset.test), dataset.test.labels) > 0.65


def _flat(part: Split) -> np.ndarray:
    return part.images.reshape(len(part), -1).astype(np.float32)


def test_the_seed_draws_the_splits() -> None:
    first, same, other = load(split_seed=1), load(split_seed=1), load(split_seed=2)
    np.testing.assert_array_equal(first.test.images, same.test.images)
    assert not np.array_equal(first.test.images, other.test.images)


def test_splits_share_no_image(dataset: Dataset) -> None:
    contents = [image.tobytes() for part in (dataset.train, dataset.validation, dataset.test) for image in part.images]
    assert len(set(contents)) == 1797


def test_fractions_out_of_range() -> None:
    with pytest.raises(UserError, match=r"^validation_fraction \+ test_fraction < 1 must hold"):
        load(validation_fraction=0.5, test_fraction=0.6)

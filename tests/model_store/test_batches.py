"""Calls of a deployed model: how many images each gets, and that the answers are those of one call."""

import numpy as np
import pytest

from trialmaker.model_store.batches import in_batches


@pytest.mark.parametrize(
    ("side", "count", "calls"),
    [(28, 100, [100]), (28, 300, [128, 128, 44]), (64, 129, [128, 1]), (224, 25, [10, 10, 5]), (1024, 2, [1, 1])],
)
def test_large_pictures_come_in_small_calls(side: int, count: int, calls: list[int]) -> None:
    sizes = []

    def means(images: np.ndarray) -> np.ndarray:
        assert images.dtype == np.float32 and images.max() <= 1
        sizes.append(len(images))
        return images.mean(axis=(1, 2))

    pixels = np.arange(count, dtype=np.uint8).repeat(side * side).reshape(count, side, side, 1)
    answers = in_batches(means, pixels)
    assert sizes == calls
    np.testing.assert_allclose(answers[:, 0], np.arange(count, dtype=np.uint8) / 255, rtol=1e-4)
    np.testing.assert_array_equal(in_batches(means, pixels / np.float32(255)), answers)

"""A task for tests of the training loop, which it takes a moment to learn."""

from typing import Any

import numpy as np

from trialmaker.data.splits import Split

SHAPE: dict[str, Any] = {"input_shape": (8, 8, 1), "num_classes": 3}


def examples(count: int, seed: int) -> Split:
    """Return a task that a small net learns: which third of the picture is bright."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 3, count).astype(np.int32)
    images = draw.integers(0, 120, (count, 8, 8, 1), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[2 * label : 2 * label + 2] += 60
    return Split(images, labels)

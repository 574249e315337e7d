"""Calls of a deployed model, with few enough images for a bounded memory."""

import math
from collections.abc import Callable

import numpy as np

MAX_IMAGES_PER_CALL = 128  # larger calls are no faster, and hold more memory
PIXELS_PER_CALL = 1 << 19  # so that a layer of 32 filters has an output of 64 MiB: 10 images of 224 x 224


def in_batches(predict: Callable[[np.ndarray], np.ndarray], images: np.ndarray) -> np.ndarray:
    """Return a model's answers, float32 [N, K], to images, [N, H, W, C]; `predict` gets float32 in [0, 1].

    Args:
        images: float32 in [0, 1], or uint8, which is scaled.
    """
    size = max(1, min(MAX_IMAGES_PER_CALL, PIXELS_PER_CALL // math.prod(images.shape[1:3])))
    chunks = (images[start : start + size] for start in range(0, len(images), size))
    scaled = (chunk / np.float32(255) if chunk.dtype == np.uint8 else chunk for chunk in chunks)
    answers = [predict(chunk) for chunk in scaled]
    return answers[0] if len(answers) == 1 else np.concatenate(answers)

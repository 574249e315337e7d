"""The running service that most tests share, and the images they send to it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from support.service import Service, serving
from trialmaker.data import digits


@pytest.fixture(scope="package")
def service(published: Path) -> Iterator[Service]:
    """The real process, deployed from a real training, with small limits."""
    with serving(published, "--max-body", "1000000", "--max-pixels", "1000000") as running:
        yield running


@pytest.fixture(scope="package")
def examples() -> tuple[np.ndarray, np.ndarray]:
    """Test images, float32 [N, 28, 28, 1] in [0, 1], and their labels."""
    test = digits.load(validation_fraction=0.15, test_fraction=0.2, split_seed=0).test
    return test.images.astype(np.float32) / 255, test.labels

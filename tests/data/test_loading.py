"""What every data set must have, whatever its form."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from trialmaker.data import loading, mnist_parts
from trialmaker.errors import UserError


@pytest.mark.parametrize("form", ["files", "npz"])
def test_a_single_class_is_refused(
    form: str, tmp_path: Path, write_mnist: Callable[..., Path], digits_like: tuple[np.ndarray, ...]
) -> None:
    labels = np.full(100, 7, np.uint8)
    if form == "files":
        place = write_mnist(tmp_path, replace={1: labels})
    else:
        place = tmp_path / "mnist.npz"
        np.savez(place, **dict(zip(mnist_parts.NPZ_NAMES, (digits_like[0], labels, *digits_like[2:]), strict=True)))
    with pytest.raises(UserError) as caught:
        loading.load(
            name="mnist", directory=tmp_path, download=False, mirrors=(), validation_fraction=0.1, split_seed=0
        )
    assert str(caught.value) == f"{place}: expected training images of at least two classes, found only 7"

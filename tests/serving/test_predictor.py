"""Which models take drawings."""

from pathlib import Path

import numpy as np
import pytest

from trialmaker.model_store.versions import Version
from trialmaker.serving.predictor import Model


@pytest.mark.parametrize(
    ("names", "channels", "data", "expected"),
    [
        ("0123456789", 1, "mnist", True),
        ("0123456789", 1, "images", True),
        ("0123456789", 1, None, True),
        ("0123456789", 3, "mnist", False),
        ("ABCDE", 1, "emnist-letters", True),
        ("おきす", 1, "kmnist", True),
        ("ABCDE", 1, "images", False),
        (["Trouser", "Coat"], 1, "fashion-mnist", False),
    ],
)
def test_models_of_handwriting(names: str | list[str], channels: int, data: str | None, expected: bool) -> None:
    card = {"data": data} if data else {}
    model = Model(Version(Path("1"), 1, tuple(names), card), (28, 28, channels), "NumPy", np.asarray)
    assert model.is_handwriting_model is expected

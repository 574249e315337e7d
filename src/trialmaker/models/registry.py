"""The architectures by name."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import keras

from trialmaker.models import cnn, mlp

MODULES: dict[str, ModuleType] = {"mlp": mlp, "cnn": cnn}


def builder(name: str) -> Callable[..., keras.Model]:
    """The ``build`` of a model named in ``conf/model``."""
    build: Callable[..., Any] = MODULES[name].build
    return build


def compiles_faster(name: str) -> bool:
    """Whether XLA makes the model's training step faster on a CPU, by measurement."""
    return bool(MODULES[name].XLA_IS_FASTER_ON_CPU)

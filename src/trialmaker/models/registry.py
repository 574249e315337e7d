"""The registry of architectures.

To add a model, touch three places:

1. ``models/<name>.py``: a function ``build(*, input_shape, num_classes, **fields) -> keras.Model``, from ``images`` in
   [0, 1] to ``logits``, a functional model; ``gains_from_bfloat16(**fields)``; ``XLA_IS_FASTER_ON_CPU``. A
   ``dropout_rate`` must be among the fields: one for all dropout layers, or a list of those from input to output, 0 for
   no layer (the compiled program changes the others between runs); for dropout layers use
   `trialmaker.models.dropout.Dropout`. For batch normalization use
   `trialmaker.models.batch_normalization.BatchNormalization`: several instances or GPUs cannot train Keras' own.
2. `MODULES`: its name and that module.
3. The config: a dataclass of its fields in ``config/schema.py``, listed in the type of ``Config.model``, and the values
   in ``conf/model/<name>.yaml``. Further files with the same ``name: <name>`` are networks of that architecture.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import keras

from trialmaker.models import cnn, mlp

MODULES: dict[str, ModuleType] = {"mlp": mlp, "cnn": cnn}


def builder(name: str) -> Callable[..., keras.Model]:
    """Return the ``build`` function of a model, by its name in ``conf/model``."""
    build: Callable[..., Any] = MODULES[name].build
    return build


def compiles_faster(name: str) -> bool:
    """Return whether XLA makes the model's training step faster on a CPU, by measurement."""
    return bool(MODULES[name].XLA_IS_FASTER_ON_CPU)


def gains_from_bfloat16(*, name: str, **fields: Any) -> bool:
    """Return whether bfloat16 makes a model's training step faster on a CPU that computes in it, by measurement."""
    return bool(MODULES[name].gains_from_bfloat16(**fields))

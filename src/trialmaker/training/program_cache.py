"""Models and compiled programs, kept for the next run of this process."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import lru_cache
from typing import Any

import keras
import numpy as np

from trialmaker.models import registry
from trialmaker.platform.garbage_collection import postponed_garbage_collection
from trialmaker.training import augmentation, optimizers
from trialmaker.training.precision import BFLOAT16, FLOAT32, in_bfloat16
from trialmaker.training.program import Program
from trialmaker.training.replicas import Replicas

Fields = Mapping[str, Any]  # of a group's choice, its name among them; every value can be hashed
Key = tuple[tuple[str, Any], ...]
PLACEHOLDER = 0.5  # for values that a program is given when it begins


def initialized_model(*, model: Fields, seed: int, input_shape: tuple[int, ...], num_classes: int) -> keras.Model:
    """Return a model whose weights are drawn by the seed.

    It is that of an earlier run of this process, where both are built and initialized alike; one run at a time uses it.

    Args:
        model: fields of ``conf/model/<name>.yaml``.
        input_shape: (H, W, C) of an image.
    """
    initialized, weights = _initialized_model(seed, _graph_key(model), input_shape, num_classes)
    initialized.set_weights(weights)
    return initialized


def prepare_program(
    *,
    weights: Sequence[np.ndarray],
    model: Fields,
    optimizer: Fields,
    augment: Fields,
    label_smoothing: float,
    jit_compile: bool | None,
    input_shape: tuple[int, ...],
    num_classes: int,
    precision: str = FLOAT32,
    replicas: Replicas | None = None,
) -> Program:
    """Return the compiled program that trains a model in a precision, begun with these weights (in the model's order).

    It is that of an earlier run of this process, where they differ, as trials often do, in nothing but seeds, epochs,
    data, learning rate, dropout rate, weight decay and label smoothing, not in momentum.

    Args:
        model, optimizer, augment: fields of ``conf/<group>/<name>.yaml``.
        jit_compile: whether to compile with XLA; None for where it is known to be faster.
        replicas: the processes that train it together; None for this one alone.
    """
    compiles = registry.compiles_faster(model["name"]) if jit_compile is None else jit_compile
    program = _program(
        *(_graph_key(model), _update_key(optimizer), tuple(augment.items())),
        label_smoothing > 0,
        compiles,
        precision,
        input_shape,
        num_classes,
        replicas if replicas and replicas.count > 1 else None,  # one has nobody to sum with
    )
    program.begin(
        weights,
        dropout_rate=model["dropout_rate"],
        weight_decay=optimizer["weight_decay"] or 0.0,
        label_smoothing=label_smoothing,
    )
    return program


@lru_cache(maxsize=8)  # a study meets few shapes often
@postponed_garbage_collection()
def _program(
    model: Key,
    optimizer: Key,
    augment: Key,
    smooths_labels: bool,
    jit_compile: bool,
    precision: str,
    input_shape: tuple[int, ...],
    num_classes: int,
    replicas: Replicas | None,
) -> Program:
    fields = dict(optimizer)
    del fields["learning_rate"]
    with replicas.scope() if replicas else nullcontext():
        built = _build(model, input_shape, num_classes)
        trained = in_bfloat16(built) if precision == BFLOAT16 else built
        return Program(
            model=trained,
            exact_model=built if trained is not built else None,
            optimizer=optimizers.build(**fields, variables=trained.trainable_variables),
            augment=augmentation.build(**dict(augment)),
            smooths_labels=smooths_labels,
            jit_compile=jit_compile,
            replicas=replicas,
        )


@lru_cache(maxsize=8)
@postponed_garbage_collection()
def _initialized_model(
    seed: int, model: Key, input_shape: tuple[int, ...], num_classes: int
) -> tuple[keras.Model, list[np.ndarray]]:
    keras.utils.set_random_seed(seed)
    built = _build(model, input_shape, num_classes)
    return built, built.get_weights()


def _graph_key(model: Fields) -> Key:
    """Return the part of the model's config that decides what is compiled: the program cache's key."""
    rate = model["dropout_rate"]
    is_on = tuple(map(_placeholder, rate)) if isinstance(rate, tuple) else _placeholder(rate)
    return tuple({**model, "dropout_rate": is_on}.items())


def _update_key(optimizer: Fields) -> Key:
    """Return the part of the optimizer's config that decides what is compiled."""
    decay = None if optimizer["weight_decay"] is None else PLACEHOLDER
    return tuple({**optimizer, "learning_rate": PLACEHOLDER, "weight_decay": decay}.items())


def _placeholder(rate: float) -> float:
    return PLACEHOLDER if rate else 0.0


def _build(model: Key, input_shape: tuple[int, ...], num_classes: int) -> keras.Model:
    fields = dict(model)
    return registry.builder(fields.pop("name"))(input_shape=input_shape, num_classes=num_classes, **fields)

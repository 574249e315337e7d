"""Models and compiled programs, kept for the next run of this process."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import lru_cache

import keras
import numpy as np

from trialmaker.config import schema
from trialmaker.data.splits import Dataset
from trialmaker.models import registry
from trialmaker.training import augmentation, optimizers
from trialmaker.training.program import Program

PLACEHOLDER = 0.5  # of what is set when a program begins


def initialized_model(config: schema.Config, dataset: Dataset) -> keras.Model:
    """A model whose weights are drawn by the seed: that of an earlier run of this process, where they have the same."""
    drawn, weights = _initialized_model(config.seed, _graph_key(config.model), dataset.input_shape, dataset.num_classes)
    drawn.set_weights(weights)
    return drawn


def prepare_program(config: schema.Config, dataset: Dataset, weights: Sequence[np.ndarray]) -> Program:
    """The program that trains such a model, begun: that of an earlier run of this process, where both are compiled to
    the same.

    They are where they differ in nothing but seeds, learning rate, dropout rate, weight decay, label smoothing, epochs
    or data, as the trials of a study often do. Momentum is compiled in: Keras asks it, as a number, whether it is 0.
    """
    asked = config.training.jit_compile
    optimizer, smoothing = config.optimizer, config.training.label_smoothing
    program = _program(
        _graph_key(config.model),
        replace(
            optimizer, learning_rate=PLACEHOLDER, weight_decay=None if optimizer.weight_decay is None else PLACEHOLDER
        ),
        config.augment,
        smoothing > 0,
        registry.compiles_faster(config.model.name) if asked is None else asked,
        dataset.input_shape,
        dataset.num_classes,
    )
    program.begin(
        weights,
        dropout_rate=config.model.dropout_rate,
        weight_decay=optimizer.weight_decay or 0.0,
        label_smoothing=smoothing,
    )
    return program


@lru_cache(maxsize=8)  # a study meets few shapes often
def _program(
    wanted: schema.Mlp | schema.Cnn,
    optimizer: schema.Optimizer,
    change: schema.NoAugment | schema.Shift | schema.Affine,
    smooths_labels: bool,
    jit_compile: bool,
    input_shape: tuple[int, ...],
    num_classes: int,
) -> Program:
    built = _model(wanted, input_shape, num_classes)
    fields = asdict(optimizer)
    del fields["learning_rate"]
    return Program(
        model=built,
        optimizer=optimizers.build(**fields, variables=built.trainable_variables),
        augment=augmentation.build(**asdict(change)),
        smooths_labels=smooths_labels,
        jit_compile=jit_compile,
    )


@lru_cache(maxsize=8)
def _initialized_model(
    seed: int, wanted: schema.Mlp | schema.Cnn, input_shape: tuple[int, ...], num_classes: int
) -> tuple[keras.Model, list[np.ndarray]]:
    keras.utils.set_random_seed(seed)
    built = _model(wanted, input_shape, num_classes)
    return built, built.get_weights()


def _graph_key(wanted: schema.Mlp | schema.Cnn) -> schema.Mlp | schema.Cnn:
    """What is the same for all dropout rates but none."""
    return replace(wanted, dropout_rate=PLACEHOLDER if wanted.dropout_rate else 0.0)


def _model(wanted: schema.Mlp | schema.Cnn, input_shape: tuple[int, ...], num_classes: int) -> keras.Model:
    fields = asdict(wanted)
    build = registry.builder(fields.pop("name"))
    return build(input_shape=input_shape, num_classes=num_classes, **fields)

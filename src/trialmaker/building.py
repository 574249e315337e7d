"""From the config to what trains: the model, and the program that is compiled from it."""

from dataclasses import asdict, replace
from functools import lru_cache

import keras

from trialmaker import augment, models, optimizers, schema
from trialmaker.data.splits import Dataset
from trialmaker.steps import Program


def model(config: schema.Config, dataset: Dataset) -> keras.Model:
    """A fresh model, its weights drawn by Keras' global seed."""
    return _model(config.model, dataset.input_shape, dataset.num_classes)


def program(config: schema.Config, dataset: Dataset) -> Program:
    """The program that trains such a model: that of the process's last run, where both compile to the same.

    They do where they differ in seeds, learning rates, epochs or data alone, as the runs of a multirun often do.
    """
    asked = config.training.jit_compile
    return _program(
        config.model,
        replace(config.optimizer, learning_rate=1.0),  # any: it is set before each step
        config.augment,
        config.training.label_smoothing,
        models.compiles_faster(config.model.name) if asked is None else asked,
        dataset.input_shape,
        dataset.num_classes,
    )


@lru_cache(maxsize=1)
def _program(
    wanted: schema.Mlp | schema.Cnn,
    optimizer: schema.Optimizer,
    change: schema.NoAugment | schema.Shift | schema.Affine,
    label_smoothing: float,
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
        augment=augment.build(**asdict(change)),
        label_smoothing=label_smoothing,
        jit_compile=jit_compile,
    )


def _model(wanted: schema.Mlp | schema.Cnn, input_shape: tuple[int, ...], num_classes: int) -> keras.Model:
    fields = asdict(wanted)
    build = models.builder(fields.pop("name"))
    return build(input_shape=input_shape, num_classes=num_classes, **fields)

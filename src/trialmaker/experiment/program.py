"""The model of a run, and the program that trains it."""

import logging
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras

from optuna_sweep.trial import is_worker
from trialmaker.config.schema import Config
from trialmaker.data.splits import Dataset
from trialmaker.experiment import batch_size, precision, run_messages
from trialmaker.experiment.context import RunContext
from trialmaker.model_store.initial_weights import load as load_weights
from trialmaker.platform.console import FILE_LOGGER
from trialmaker.training import program_cache
from trialmaker.training.device_replicas import gpu_replicas
from trialmaker.training.program import Program
from trialmaker.training.replicas import Replicas

log = logging.getLogger(__name__)


def build(
    config: Config,
    context: RunContext,
    dataset: Dataset,
    initial_weights: Path | None,
) -> tuple[keras.Model, Program]:
    """Return the model to export from, and the program to train, which has a model of its own and the same weights."""
    context.page.dataset = dataset
    architecture: Any = {
        "model": asdict(config.model),
        "input_shape": dataset.input_shape,
        "num_classes": dataset.num_classes,
    }
    model = program_cache.initialized_model(seed=config.seed, **architecture)
    replicas = _replicas(context, config.training.batch_size)
    used = precision.of_run(config, context)
    said = log if context.is_recorded else logging.getLogger(FILE_LOGGER)  # by one of several instances
    for line in _opening_lines(config, context, model, dataset, used):
        said.log(context.log_level, line)
    batch_size.check_memory(config, model, dataset, precision=used, instances=replicas.count if replicas else 1)
    if initial_weights:
        load_weights(model, initial_weights)
        log.info(f"starts from the weights of {initial_weights}")
    program = program_cache.prepare_program(
        weights=model.get_weights(),
        optimizer=asdict(config.optimizer),
        augment=asdict(config.augment),
        label_smoothing=config.training.label_smoothing,
        jit_compile=config.training.jit_compile,
        precision=used,
        replicas=replicas,
        **architecture,
    )
    return model, program


def _opening_lines(
    config: Config, context: RunContext, model: keras.Model, dataset: Dataset, used: str
) -> Iterator[str]:
    parameters = f"{config.model.name}: {model.count_params():,} parameters, trained in {used}"
    yield f"{parameters}; {run_messages.sizes(dataset)}; output: {Path(config.output).absolute()}"
    if precision.is_slow(used):
        law = "this processor has no instructions for it that TensorFlow uses"
        yield f"{precision.origin(context)}: {law}: float32 is faster"


def _replicas(context: RunContext, size: int) -> Replicas | None:
    """Return what shares out each batch of such a size: the instances, or this one's GPUs; None for no sharing."""
    if is_worker():  # of a study, whose workers share out the trials
        return None
    if context.team:
        return context.team.replicas
    gpus = gpu_replicas()
    if gpus and gpus.count > size:
        log.info(f"training.batch_size={size} is less than the {gpus.count} GPUs: one of them trains")
        return None
    if gpus:
        log.info(f"{gpus.count} GPUs share out each batch; CUDA_VISIBLE_DEVICES=0 takes one")
    return gpus

"""The batch size that a run trains with: at most all training examples, and no more than fits into memory."""

import logging
import math
from dataclasses import replace

import keras

from trialmaker.config.schema import Config
from trialmaker.data.splits import Dataset
from trialmaker.errors import UserError
from trialmaker.experiment.context import RunContext
from trialmaker.platform.console import FILE_LOGGER
from trialmaker.platform.memory import reachable_memory
from trialmaker.tracking.client import Tracker
from trialmaker.tracking.messages import Params
from trialmaker.training.memory import activation_bytes, held_bytes, weight_bytes
from trialmaker.training.precision import FLOAT32

# A step's memory was measured, as the growth of a fresh process' peak, on CPUs: MLPs and CNNs with and without batch
# norm, dropout and pooling, of 28 to 224 pixels. It was at most 2.3 times its layers' outputs, and at least 1.1 times
# those that it must hold.
LARGEST_SHARE = 3
RUNTIME_BYTES = 500_000_000  # of Python and TensorFlow: 0.8 GB were measured
WEIGHT_COPIES = 3  # of the model to export from, of the one that is trained, and its gradients
log = logging.getLogger(__name__)
_lines_of_studies: set[tuple[str | None, str]] = set()


def clip_to_examples(config: Config, context: RunContext, examples: int, tracker: Tracker | None) -> Config:
    """Return the config with a batch of at most so many training examples; where it is clipped, say and record it.

    MLflow's param ``training.batch_size`` stays what the config says, since it repeats the run; the param
    ``effective_batch_size`` holds the clipped one.

    Args:
        tracker: that records it; None at another instance than the first.

    Raises:
        UserError: several instances share out each batch, and there are more of them than examples.
    """
    if context.team and context.team.replicas:
        _check_examples(examples, instances=context.team.replicas.count)
    batch_size = config.training.batch_size
    if batch_size <= examples:
        return config
    clipped = f"is more than the training examples: each step takes all {examples}"
    _notify(context, f"training.batch_size={batch_size} {clipped}")
    if tracker:
        tracker.send(Params({"effective_batch_size": str(examples)}))
    return replace(config, training=replace(config.training, batch_size=examples))


def check_memory(
    config: Config, model: keras.Model, dataset: Dataset, *, precision: str = FLOAT32, instances: int = 1
) -> None:
    """Check that the training may fit into the memory that this process can have.

    The estimate is less than it takes, so that nothing is refused that would fit. The batch size that is offered
    instead is by what a step takes at most, so that it does fit.

    Args:
        model: in float32.
        precision: that layers compute in.
        instances: that share out each batch.

    Raises:
        UserError: it can't.
    """
    batch_size, reachable = config.training.batch_size, reachable_memory()
    images = dataset.train.images.nbytes + sum(
        split.images.nbytes for split in (dataset.train, dataset.validation, dataset.test)
    )  # those of training a second time, as TensorFlow holds them
    constant = RUNTIME_BYTES + images + WEIGHT_COPIES * weight_bytes(model)
    needed = constant + math.ceil(batch_size / instances) * (held_bytes(model) // (1 if precision == FLOAT32 else 2))
    if needed <= reachable:
        return
    fitting = instances * int((reachable - RUNTIME_BYTES - constant) / (LARGEST_SHARE * activation_bytes(model)))
    way_on = f"training.batch_size={fitting} fits" if fitting > 0 else "use smaller pictures or a smaller model"
    sizes = f"{needed / 1e9:.1f} GB of memory, and {reachable / 1e9:.1f} GB can be had"
    shape = "x".join(map(str, dataset.input_shape))
    whose = f"training.batch_size={batch_size}{f', over {instances} instances' * (instances > 1)}"
    raise UserError(f"{whose}: training on images of {shape} takes at least {sizes}; {way_on}")


def _check_examples(examples: int, *, instances: int) -> None:
    """Check that each of several instances can have a part of a batch of all training examples.

    Raises:
        UserError: there are fewer of them.
    """
    if examples < instances:
        ways = f"use at most {examples} of them, or train on the first alone with instances=ignore"
        raise UserError(f"{instances} instances: must be no more than the training examples, {examples}: {ways}")


def _notify(context: RunContext, text: str) -> None:
    """Log a line; of a study, once for all trials of this process."""
    key = (context.trial.study, text)
    said = log if context.is_recorded else logging.getLogger(FILE_LOGGER)  # by one of several instances
    said.log(logging.DEBUG if context.is_trial and key in _lines_of_studies else logging.INFO, text)
    _lines_of_studies.add(key)

"""Which precision a run computes in."""

from dataclasses import asdict

import tensorflow as tf

from trialmaker.config.run_schema import AUTO
from trialmaker.config.schema import Config
from trialmaker.experiment.context import RunContext
from trialmaker.experiment.tensorflow_import import is_fast_in_bfloat16
from trialmaker.platform import processor
from trialmaker.training.precision import BFLOAT16, FLOAT32, gains_from_bfloat16


def of_run(config: Config, context: RunContext) -> str:
    """Return ``float32`` or ``bfloat16``: what the run was begun in, what its config says, or what ``auto`` comes to.

    ``auto`` is bfloat16 for a model that gains from it, outside XLA, where the processors of all instances compute in
    it. On a GPU it is float32, since nothing was measured there.
    """
    if context.precision:
        return context.precision
    training, team = config.training, context.team
    if training.precision != AUTO:
        return training.precision
    gains = gains_from_bfloat16(asdict(config.model), training.jit_compile)
    is_fast = team.computes_in_bfloat16 if team else is_fast_in_bfloat16()
    return BFLOAT16 if gains and is_fast else FLOAT32


def is_slow(used: str) -> bool:
    """Return whether float32 would be faster than this precision."""
    return used == BFLOAT16 and not (_has_gpu() or processor.computes_in_bfloat16())


def _has_gpu() -> bool:
    return bool(tf.config.list_physical_devices("GPU"))

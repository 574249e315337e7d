"""Which precision a run computes in."""

from dataclasses import asdict

import tensorflow as tf

from trialmaker.config.run_schema import AUTO, PRECISION
from trialmaker.config.schema import Config
from trialmaker.errors import UserError
from trialmaker.experiment.context import RunContext
from trialmaker.experiment.tensorflow_import import is_fast_in_bfloat16
from trialmaker.platform import processor
from trialmaker.training.precision import BFLOAT16, FLOAT32, gains_from_bfloat16


def of_run(config: Config, context: RunContext) -> str:
    """Return ``float32`` or ``bfloat16``: what the run was begun in, what its config says, or what ``auto`` comes to.

    ``auto`` is bfloat16 for a model that gains from it, outside XLA, where the processors of all instances compute in
    it. On a GPU it is float32, since nothing was measured there.

    Raises:
        UserError: it is bfloat16, with a setting under which the process would be aborted.
    """
    used, setting = _chosen(config, context), processor.setting_without_bfloat16()
    if used == BFLOAT16 and setting and not _has_gpu():
        other = "resume=never starts anew" if context.precision else f"set {PRECISION}={FLOAT32}"
        raise UserError(f"{origin(context)}: {setting} leaves oneDNN without it: unset that, or {other}")
    return used


def origin(context: RunContext) -> str:
    """Return where bfloat16 comes from, where the processor does not speak for it, for a line's beginning."""
    return f"the run was begun in {BFLOAT16}" if context.precision else f"{PRECISION}={BFLOAT16}"


def _chosen(config: Config, context: RunContext) -> str:
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

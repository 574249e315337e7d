"""What a run writes for TensorBoard."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from trialmaker.config.fields import leaves
from trialmaker.config.incidental import INCIDENTAL, is_among
from trialmaker.config.schema import Config
from trialmaker.experiment.context import RunContext
from trialmaker.experiment.run_directory import event_directory
from trialmaker.platform import paths
from trialmaker.platform.redaction import without_password
from trialmaker.training.tensorboard_listener import TensorBoardListener

Hparam = bool | int | float | str


def tensorboard_listener(config: Config, context: RunContext) -> TensorBoardListener:
    """Return the listener; of a study's trial, of which there may be thousands, it writes no curves.

    TensorBoard makes one row of runs of one name, so that plain runs have their directory's name behind their own.
    """
    output = Path(config.output).absolute()
    name = paths.run_name(context.directory, output)
    return TensorBoardListener(
        event_directory(context.directory, output),
        run_name=context.result.name if context.is_trial else f"{context.result.name} ({name})",
        hparams=hparams(config),
        objective=config.objective,
        has_curves=not context.is_trial,
        positions=_positions(context),
    )


def _positions(context: RunContext) -> Mapping[str, int] | None:
    """Return what the event files had at the checkpoint that the run goes on from; None for a new run."""
    if context.resumption is None:
        return None
    snapshot = context.resumption.snapshot
    return snapshot.values["run"]["event_files"] if snapshot else {}


def hparams(config: Config) -> dict[str, Hparam]:
    """Return the values that tell runs apart, by path: lists as text, None left out, so that numbers stay numbers."""
    values = {path: value for path, value in leaves(asdict(config)) if value is not None}
    return {
        path: value if isinstance(value, bool | int | float) else without_password(_text(value))
        for path, value in values.items()
        if not is_among(path, INCIDENTAL)
    }


def _text(value: object) -> str:
    return str(list(value) if isinstance(value, tuple) else value)

"""What a run writes for TensorBoard."""

from dataclasses import asdict
from pathlib import Path

from trialmaker.config.fields import leaves
from trialmaker.config.schema import Config
from trialmaker.experiment.context import RunContext
from trialmaker.platform import paths
from trialmaker.platform.redaction import without_password
from trialmaker.training.tensorboard_listener import TensorBoardListener

# Where things lie and what is recorded, which makes no run different from another.
NO_HPARAMS = ("output", "tracking.", "data.directory", "data.download", "init_model")

Hparam = bool | int | float | str


def tensorboard_listener(config: Config, context: RunContext) -> TensorBoardListener:
    """Return the listener; of a study's trial, of which there may be thousands, it writes no curves."""
    output = Path(config.output).absolute()
    name = paths.run_name(context.directory, output)
    return TensorBoardListener(
        output / "tensorboard" / name,
        run_name=name,
        hparams=hparams(config),
        objective=config.objective,
        has_curves=not context.is_trial,
    )


def hparams(config: Config) -> dict[str, Hparam]:
    """Return the config's values by path: lists as text; what is None is left out, so that numbers stay numbers."""
    values = {path: value for path, value in leaves(asdict(config)) if value is not None}
    return {
        path: value if isinstance(value, bool | int | float) else without_password(_text(value))
        for path, value in values.items()
        if not path.startswith(NO_HPARAMS)
    }


def _text(value: object) -> str:
    return str(list(value) if isinstance(value, tuple) else value)

"""The end of a trial that another instance than the first runs: what it leaves is brought to the first one's output."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hydra.errors import HydraException

from trialmaker.errors import StudyError, UserError
from trialmaker.experiment.context import RunContext
from trialmaker.experiment.instances import shared_study


@contextmanager
def handed_over(context: RunContext) -> Iterator[None]:
    """Leave the run's result, however the run inside ends; that of a shared study's trial at the first instance, too.

    The trial counts only then, so that the model of each trial that is complete is where the study's best is chosen.
    One that was given to another instance meanwhile, since this one was cut off, is not handed over.

    Raises:
        StudyError: the first instance does not take it, or does not answer: the trial waits for another command.
    """
    try:
        with context.recorded():
            yield
    except Exception:
        with suppress(UserError, HydraException):  # the trial's own error comes first
            _hand_over(context)
        raise
    try:
        _hand_over(context)
    except (UserError, HydraException) as error:  # the study's storage may be away, too
        raise StudyError(error if isinstance(error, UserError) else UserError(str(error))) from error


def _hand_over(context: RunContext) -> None:
    shared, config = shared_study.current(), context.page.config
    if shared and shared.sender and context.is_trial and config and context.trial.is_own():
        shared.hand_over(context.directory, context.run_key, Path(config.output).absolute())

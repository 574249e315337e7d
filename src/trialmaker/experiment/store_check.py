"""The wait for the tracking store's answer, between the building of the model and its first step."""

import math
import time

from trialmaker.config.schema import Config
from trialmaker.errors import StudyError, UserError
from trialmaker.experiment.context import RunContext
from trialmaker.experiment.stop_conditions import time_limit
from trialmaker.tracking.client import Tracker


def wait_for_store(config: Config, context: RunContext, tracker: Tracker) -> None:
    """Have a store that refuses end the run before its first step; of a study, the study before its first trial.

    Raises:
        UserError: the store cannot be used.
        StudyError: the same, of a study's trial.
    """
    left = seconds_left(config, context)
    try:
        tracker.wait_for_store(math.inf if left is None else left)
    except UserError as error:
        if context.is_trial:
            raise StudyError(error) from error
        raise


def seconds_left(config: Config, context: RunContext) -> float | None:
    """Return the seconds until the training must end, by ``training.max_seconds``; None without a limit."""
    _, limit = time_limit(config.training, context.spent_seconds)
    if limit == math.inf:
        return None
    return context.started + limit - config.training.margin_seconds - time.monotonic()

"""The part of a run in which instances wait for each other inside of TensorFlow."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from trialmaker.experiment.context import RunContext
from trialmaker.platform.run_result import LOST_INSTANCE
from trialmaker.training.replicas import LostReplica


@contextmanager
def collective_training(context: RunContext, save: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Train with the other instances inside, if there are any.

    Args:
        save: called when one of them is gone, before its name is known.

    Raises:
        StudyError: one is gone; it names it.
    """
    team = context.team
    if team is None:
        yield
        return
    team.is_training = True
    try:
        yield
    except LostReplica as error:
        save()
        context.result.ended_by = LOST_INSTANCE
        raise team.loss(error) from error
    finally:
        team.is_training = False

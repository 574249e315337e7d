"""The part of a run in which instances wait for each other inside of TensorFlow."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import tensorflow as tf

from trialmaker.experiment.context import RunContext
from trialmaker.platform.run_result import LOST_INSTANCE
from trialmaker.training.replicas import LostReplica

GLANCE_SECONDS = 3.0  # to hear that an instance is gone, where TensorFlow's error may be another


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
        team.check()  # one that was lost before now would have aborted nothing
        yield
    except (LostReplica, tf.errors.OpError) as error:  # gRPC has more names for the loss than can be listed
        if not isinstance(error, LostReplica) and not team.meeting.who_is_gone(GLANCE_SECONDS):
            raise
        save()
        context.result.ended_by = LOST_INSTANCE
        raise team.loss(error) from error
    finally:
        team.is_training = False

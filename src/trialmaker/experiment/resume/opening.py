"""The opening lines of a run that goes on."""

from collections.abc import Iterator

from trialmaker.experiment.resume.resumption import Resumption
from trialmaker.platform.run_result import LOST_INSTANCE, NO_SPACE, TIME_LIMIT

START_ANEW = "resume=never starts anew"


def opening_lines(resumption: Resumption, epochs: int) -> Iterator[str]:
    """Yield what a run says that goes on: which one it is, from where, and how to start anew instead.

    Args:
        resumption: the run.
        epochs: of the whole training.
    """
    run = resumption.run
    yield f"goes on with {run.name} {_place(resumption, epochs)}; {START_ANEW}"
    yield f"{_end(resumption)}, {run.ended_at}"
    yield from resumption.notices


def _place(resumption: Resumption, epochs: int) -> str:
    if resumption.snapshot is None:
        return "from its first step"
    loop = resumption.snapshot.values["loop"]
    return f"after step {loop['step']:,}, epoch {loop['epochs_done']} of {epochs}"


def _end(resumption: Resumption) -> str:
    """Return how the earlier attempt ended."""
    result = resumption.run.result
    if result is None:
        return "it was killed" if resumption.snapshot else "it was killed before its first checkpoint"
    if result.ended_by == TIME_LIMIT:
        return "it had reached its time limit"
    if result.ended_by == NO_SPACE:
        return "it ran out of disk space"
    if result.ended_by == LOST_INSTANCE:
        return f"it had ended since {result.message.partition('; ')[0]}"
    return f"it was {result.message}" if result.status == "stopped" else f"it had {result.status}"

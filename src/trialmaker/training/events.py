"""What the training loop tells its listeners. Epochs and steps count from 1."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

PICTURES_SUFFIX = ".pictures"  # of TensorBoard's event files that the tracking process writes


@dataclass(frozen=True)
class StepsDone:
    """Some consecutive steps of one epoch, which have ended.

    Args:
        epoch: the epoch they belong to.
        step: the last of them, counted over all epochs.
        losses: mean loss of each step's batch, in order.
        accuracies: share of right answers in each step's batch, in order.
        seconds: how long they took.
    """

    epoch: int
    step: int
    losses: list[float]
    accuracies: list[float]
    seconds: float


@dataclass(frozen=True)
class StepsMean:
    """The means of loss and share of right answers over some steps, of which ``step`` is the last."""

    step: int
    loss: float
    accuracy: float


@dataclass(frozen=True)
class EarlyValidation:
    """A validation within the first epoch, for studies that prune early; ``metrics`` are those of ``EpochDone``."""

    step: int
    metrics: dict[str, float]


@dataclass(frozen=True)
class Stopping:
    """The training's end, once in each: after it come no steps.

    What stops it within an epoch, or at its last step, comes before the validation; any other end comes last.

    Args:
        reason: ``epochs``, ``patience``, or what ``stop`` said.
        epoch: the last that was begun.
        step: the last, counted over all epochs.
    """

    reason: str
    epoch: int
    step: int


@dataclass(frozen=True)
class EpochDone:
    """An epoch that has ended and was validated, or, where the training is stopped within one, its part so far.

    Args:
        metrics: ``loss accuracy val_loss val_accuracy learning_rate seconds examples_per_second``, in this order;
            loss and accuracy are means over the epoch's steps, the learning rate is that of its last step.
        best_weights: where the objective is better than in every epoch before, the weights that reached it, in the
            model's order; else None.
        stopped_by: None for a whole epoch; else what ``stop`` said. Of a training that goes on later, the part of an
            epoch is preliminary: the whole one comes in its place.
    """

    epoch: int
    metrics: dict[str, float]
    best_weights: list[np.ndarray] | None = field(default=None, repr=False)
    stopped_by: str | None = None


Event = StepsDone | StepsMean | EarlyValidation | Stopping | EpochDone
Listener = Callable[[Event], None]

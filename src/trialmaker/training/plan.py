"""What a training is asked to do, as a whole and epoch by epoch."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from trialmaker.training.objective import Objective
from trialmaker.training.program import data_order


@dataclass(frozen=True)
class EpochPlan:
    """The steps of one epoch.

    Args:
        epoch: counted from 1.
        order: which examples each step takes, int32 [steps, batch_size].
        rates: the learning rate of each step, float32 [steps].
    """

    epoch: int
    order: np.ndarray
    rates: np.ndarray

    @property
    def steps_before(self) -> int:
        """Return the number of steps in earlier epochs."""
        return (self.epoch - 1) * len(self.order)


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """What decides a training's weights, and when it ends by itself.

    Args:
        learning_rates: of steps, counted from 0: float32 [n] to float32 [n].
        objective: decides which epoch is best.
        seed: of the data's order, augmentation and dropout.
        epochs: at least 1.
        batch_size: examples a step; at most the training examples.
        patience: end after so many epochs without a better objective; None for never.
        early_validation: share of the first epoch after which there is a validation more; None for none.
    """

    learning_rates: Callable[[np.ndarray], np.ndarray]
    objective: Objective
    seed: int
    epochs: int
    batch_size: int
    patience: int | None = None
    early_validation: float | None = None

    def of_epoch(self, epoch: int, examples: int) -> EpochPlan:
        """Return the steps of an epoch over so many training examples, a pure function of plan and arguments."""
        order = data_order(seed=self.seed, epoch=epoch, examples=examples, batch_size=self.batch_size)
        first = (epoch - 1) * len(order)
        return EpochPlan(epoch, order, self.learning_rates(np.arange(first, first + len(order), dtype=np.float32)))

    def pause(self, plan: EpochPlan) -> int:
        """Return after which step of the epoch there is an early validation; 0 for none."""
        return round(self.early_validation * len(plan.order)) if self.early_validation and plan.epoch == 1 else 0

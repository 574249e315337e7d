"""Calls into the compiled loop, of a length that lets limits and signals be seen soon."""

import math
import time
from collections.abc import Callable, Iterator

from trialmaker.errors import UserError
from trialmaker.training.events import StepsDone
from trialmaker.training.plan import EpochPlan
from trialmaker.training.program import Steps

CALL_SECONDS = 0.8  # what a call aims at


class Calls:
    """Epochs, cut into calls of about ``CALL_SECONDS``. Where they are cut changes no weight.

    Args:
        run: makes steps; see ``Program.steps_over``.
        slowest: returns the time that all replicas take for that of a call here, so that they cut alike.
    """

    def __init__(self, run: Steps, slowest: Callable[[float], float] | None = None) -> None:
        self.run, self.slowest = run, slowest
        self.size = 1  # steps; the first call compiles, and its first result is soon seen

    def of_epoch(self, plan: EpochPlan, *, start: int, pause: int) -> Iterator[StepsDone]:
        """Make the epoch's steps from ``start`` to its end, while asked to; yield an event for each call.

        Args:
            start: the steps done before; all of them make no call.
            pause: a call ends after so many steps; 0 for no such call.

        Raises:
            UserError: a loss is not finite.
        """
        steps, before = len(plan.order), plan.steps_before
        while start < steps:
            end = min(start + self.size, pause if start < pause else steps)
            began = time.monotonic()
            losses, accuracies = self.run(plan.order, plan.rates, start, end, before)
            seconds = time.monotonic() - began
            if self.slowest:
                seconds = self.slowest(seconds)
            if not math.isfinite(losses[-1]):
                raise not_finite("loss", losses[-1], before + start + len(losses), plan.epoch)
            yield StepsDone(plan.epoch, before + end, losses.tolist(), accuracies.tolist(), seconds)
            self.size = max(1, min(8 * self.size, int((end - start) * CALL_SECONDS / max(seconds, 1e-6))))
            start = end


def not_finite(name: str, value: float, step: int, epoch: int) -> UserError:
    """Return the error for a loss that is infinite or not a number."""
    return UserError(
        f"{name} became {value} at step {step} (epoch {epoch}): lower optimizer.learning_rate,"
        " or limit the gradients with optimizer.global_clipnorm=1"
    )

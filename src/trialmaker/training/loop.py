"""The training loop: epochs of compiled calls, validation, and when to end."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from trialmaker.data.splits import Split
from trialmaker.errors import UserError
from trialmaker.training.events import EarlyValidation, EpochDone, Listener, StepsDone
from trialmaker.training.metrics import epoch_metrics
from trialmaker.training.objective import Objective
from trialmaker.training.program import Program, Steps, data_order

E = TypeVar("E", StepsDone, EarlyValidation, EpochDone)
CALL_SECONDS = 0.8  # what a call into the compiled loop aims at, so that limits and signals are soon seen


@dataclass(frozen=True)
class Outcome:
    """How a training ended.

    Args:
        best: the event of the best epoch.
        epochs, steps: how many were begun.
        reason: why it ended: ``epochs``, ``patience``, or what ``stop`` said.
    """

    best: EpochDone
    epochs: int
    steps: int
    reason: str


def fit(
    *,
    program: Program,
    learning_rates: Callable[[np.ndarray], np.ndarray],
    train: Split,
    validation: Split,
    objective: Objective,
    seed: int,
    epochs: int,
    batch_size: int,
    patience: int | None,
    early_validation: float | None,
    stop: Callable[[], str | None],
    listeners: Sequence[Listener],
) -> Outcome:
    """Train, and leave the best epoch's weights in the program's model.

    The weights after each step are a pure function of what the program began with and of what trains them
    (learning_rates, train, seed, batch_size): neither the clock nor a listener nor an earlier training has a part in
    them.

    Args:
        program: what is trained; just begun, one training at a time.
        learning_rates: of steps, counted from 0: float32 [n] to float32 [n].
        patience: end after so many epochs without a better objective; None for never.
        early_validation: share of the first epoch after which there is a validation more; None for none.
        stop: asked after each call into the compiled loop; a reason ends the training, and the epoch begun is
            validated as it stands.
        listeners: called with every event, in order, on this thread.

    Raises:
        UserError: fewer examples than a batch, or a loss that is not finite.
    """
    if batch_size > len(train):
        raise UserError(f"training.batch_size={batch_size} is more than the {len(train)} training examples: lower it")
    calls = _Calls(run=program.steps_over(train.images, train.labels, seed=seed), stop=stop)

    def validated(chunks: list[StepsDone]) -> dict[str, float]:
        step = chunks[-1].step
        rate = float(learning_rates(np.array([step - 1], np.float32))[0])
        metrics = epoch_metrics(chunks, batch_size, rate, program.logits(validation.images), validation.labels)
        if not math.isfinite(metrics["val_loss"]):
            raise _not_finite("val_loss", metrics["val_loss"], step, chunks[-1].epoch)
        return metrics

    best: EpochDone | None = None
    reason = "epochs"
    for epoch in range(1, epochs + 1):
        order = data_order(seed=seed, epoch=epoch, examples=len(train), batch_size=batch_size)
        before = (epoch - 1) * len(order)
        rates = learning_rates(np.arange(before, before + len(order), dtype=np.float32))
        pause = round(early_validation * len(order)) if early_validation and epoch == 1 else 0
        chunks: list[StepsDone] = []
        for chunk in calls.of_epoch(epoch, order, rates, pause):
            chunks.append(_notify(listeners, chunk))
            if chunk.step == pause:
                _notify(listeners, EarlyValidation(pause, validated(chunks)))
        step = chunks[-1].step
        metrics = validated(chunks)
        if best is None or objective.is_better(metrics, best.metrics):
            done = best = EpochDone(epoch, metrics, [variable.numpy() for variable in program.model.weights])
        else:
            done = EpochDone(epoch, metrics)
        _notify(listeners, done)
        if stopped := stop():
            reason = stopped
            break
        if patience and epoch - best.epoch >= patience:
            reason = "patience"
            break
    if best is None:
        raise ValueError(f"epochs must be at least 1, but got {epochs}")
    program.model.set_weights(best.best_weights)
    return Outcome(best, epoch, step, reason)


class _Calls:
    """Cuts epochs into calls of about ``CALL_SECONDS``. Where it cuts changes no weight."""

    def __init__(self, *, run: Steps, stop: Callable[[], str | None]) -> None:
        self.run = run
        self.stop = stop
        self.size = 1  # steps; the first call compiles, and its first result is soon seen

    def of_epoch(self, epoch: int, order: np.ndarray, rates: np.ndarray, pause: int = 0) -> Iterator[StepsDone]:
        """Make the epoch's steps, to its end or until told to stop, at least one; a call ends after ``pause`` steps."""
        before, start = (epoch - 1) * len(order), 0
        while start < len(order):
            stop = min(start + self.size, pause if start < pause else len(order))
            began = time.monotonic()
            losses, accuracies = self.run(order, rates, start, stop, before)
            seconds = time.monotonic() - began
            if not math.isfinite(losses[-1]):
                raise _not_finite("loss", losses[-1], before + start + len(losses), epoch)
            yield StepsDone(epoch, before + stop, losses.tolist(), accuracies.tolist(), seconds)
            self.size = max(1, min(8 * self.size, int((stop - start) * CALL_SECONDS / max(seconds, 1e-6))))
            start = stop
            if self.stop():
                return


def _notify(listeners: Sequence[Listener], event: E) -> E:
    for listener in listeners:
        listener(event)
    return event


def _not_finite(name: str, value: float, step: int, epoch: int) -> UserError:
    return UserError(
        f"{name} became {value} at step {step} (epoch {epoch}): lower optimizer.learning_rate,"
        " or limit the gradients with optimizer.global_clipnorm=1"
    )

"""The training loop: epochs of compiled calls, validation, and when to end. It knows no listener by name."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from trialmaker.data.splits import Split
from trialmaker.errors import UserError
from trialmaker.training.calls import Calls, not_finite
from trialmaker.training.events import EarlyValidation, EpochDone, Listener, StepsDone
from trialmaker.training.metrics import epoch_metrics
from trialmaker.training.plan import TrainingPlan
from trialmaker.training.program import Program
from trialmaker.training.stop_rules import first_reason, out_of_patience

E = TypeVar("E", StepsDone, EarlyValidation, EpochDone)


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


@dataclass
class LoopState:
    """How far a training has come.

    Attributes:
        epoch: the epoch that goes on, from 1; 0 before the first.
        calls: the events of that epoch's calls so far.
        best: the event of the best epoch so far; None before one was validated.
    """

    epoch: int = 0
    calls: list[StepsDone] = field(default_factory=list)
    best: EpochDone | None = None


def fit(
    plan: TrainingPlan,
    *,
    program: Program,
    train: Split,
    validation: Split,
    stop: Callable[[], str | None],
    listeners: Sequence[Listener],
) -> Outcome:
    """Train, and leave the best epoch's weights in the program's model.

    The weights after each step are a pure function of what the program began with and of what trains them (the plan's
    learning rates, seed and batch size; train): neither the clock nor a listener nor an earlier training has a part.

    Args:
        program: what is trained; just begun, one training at a time.
        stop: asked after each call into the compiled loop; a reason ends the training, and the epoch begun is
            validated as it stands.
        listeners: called with every event, in order, on this thread.

    Raises:
        UserError: fewer examples than a batch, or a loss that is not finite.
    """
    _check(plan, train)
    calls = Calls(run=program.steps_over(train.images, train.labels, seed=plan.seed), stop=stop)
    validate = _Validation(plan, program, validation)
    rules = [lambda *_: stop(), out_of_patience(plan.patience)]
    state, reason = LoopState(), None
    while not reason and state.epoch < plan.epochs:
        state.epoch += 1
        _run_epoch(plan, state, calls, validate, len(train), listeners)
        best = _end_epoch(plan, state, program, validate(state.calls), listeners)
        reason = first_reason(rules, state.epoch, best)
    program.model.set_weights(best.best_weights)
    return Outcome(best, state.epoch, state.calls[-1].step, reason or "epochs")


def _check(plan: TrainingPlan, train: Split) -> None:
    if plan.epochs < 1:
        raise ValueError(f"epochs must be at least 1, but got {plan.epochs}")
    if plan.batch_size > len(train):
        law = f"training.batch_size={plan.batch_size} is more than the {len(train)} training examples: lower it"
        raise UserError(law)


def _run_epoch(
    plan: TrainingPlan,
    state: LoopState,
    calls: Calls,
    validate: "_Validation",
    examples: int,
    listeners: Sequence[Listener],
) -> None:
    """Make the epoch's steps, or those until told to stop; validate once more within it where the plan says so."""
    steps = plan.of_epoch(state.epoch, examples)
    pause = plan.pause(steps)
    state.calls = []
    for call in calls.of_epoch(steps, pause):
        state.calls.append(_notify(listeners, call))
        if call.step == pause:
            _notify(listeners, EarlyValidation(pause, validate(state.calls)))


def _end_epoch(
    plan: TrainingPlan, state: LoopState, program: Program, metrics: dict[str, float], listeners: Sequence[Listener]
) -> EpochDone:
    """Keep the epoch's weights if they are the best so far, tell the listeners, and return the best epoch."""
    done = EpochDone(state.epoch, metrics)
    if state.best is None or plan.objective.is_better(metrics, state.best.metrics):
        done = state.best = EpochDone(state.epoch, metrics, [variable.numpy() for variable in program.model.weights])
    _notify(listeners, done)
    return state.best


class _Validation:
    """The metrics of an epoch, or of its part so far, with those of the validation split."""

    def __init__(self, plan: TrainingPlan, program: Program, split: Split) -> None:
        self.plan, self.program, self.split = plan, program, split

    def __call__(self, calls: list[StepsDone]) -> dict[str, float]:
        step = calls[-1].step
        rate = float(self.plan.learning_rates(np.array([step - 1], np.float32))[0])
        logits = self.program.logits(self.split.images)
        metrics = epoch_metrics(calls, self.plan.batch_size, rate, logits, self.split.labels)
        if not math.isfinite(metrics["val_loss"]):
            raise not_finite("val_loss", metrics["val_loss"], step, calls[-1].epoch)
        return metrics


def _notify(listeners: Sequence[Listener], event: E) -> E:
    for listener in listeners:
        listener(event)
    return event

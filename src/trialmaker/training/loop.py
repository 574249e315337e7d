"""The training loop: epochs of compiled calls, validation, and when to end. It knows no listener by name."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from trialmaker.data.splits import Split
from trialmaker.errors import UserError
from trialmaker.training.calls import Calls, not_finite
from trialmaker.training.events import EarlyValidation, EpochDone, Event, Listener, Stopping
from trialmaker.training.loop_state import LoopState
from trialmaker.training.metrics import epoch_metrics
from trialmaker.training.plan import TrainingPlan
from trialmaker.training.program import Program
from trialmaker.training.stop_rules import is_out_of_patience


@dataclass(frozen=True)
class Outcome:
    """How a training ended.

    Args:
        best: the event of the best epoch, which may be the part of one that the training was stopped in.
        epochs, steps: how many were begun.
        reason: why it ended: ``epochs``, ``patience``, or what ``stop`` said.
    """

    best: EpochDone
    epochs: int
    steps: int
    reason: str


def fit(
    plan: TrainingPlan,
    *,
    program: Program,
    train: Split,
    validation: Split,
    state: LoopState,
    stop: Callable[[], str | None],
    listeners: Sequence[Listener],
) -> Outcome:
    """Train, and leave the best epoch's weights in the program's model.

    The weights after each step are a pure function of what the program began with and of what trains them (the plan's
    learning rates, seed and batch size; train): neither the clock nor a listener nor an earlier training has a part.
    So a training that goes on from a snapshot comes to the same weights, metrics and events, but for times.

    Where the program has replicas, each calls this with the same arguments, but for ``stop`` and the listeners: then
    events, weights and the reason to end are the same on all of them, to the bit.

    Args:
        program: what is trained; just begun, or restored with the state; one training at a time.
        state: a new one, or one that was restored; it is that of the loop at every event.
        stop: asked after each call into the compiled loop; a reason ends the training, and the epoch begun is
            validated as it stands.
        listeners: called with every event, in order, on this thread.

    Raises:
        UserError: fewer examples than a batch, a smaller batch than replicas, or a loss that is not finite.
        LostReplica: another replica is gone.
    """
    _check(plan, train, program)
    replicas = program.replicas
    run = _Run(plan, program, state, replicas.agreed(stop) if replicas else stop, listeners, validation)
    steps = program.steps_over(train.images, train.labels, seed=plan.seed)
    outcome = run.to_its_end(Calls(steps, replicas.slowest if replicas else None), len(train))
    program.model.set_weights(outcome.best.best_weights)
    return outcome


def _check(plan: TrainingPlan, train: Split, program: Program) -> None:
    if plan.epochs < 1:
        raise ValueError(f"epochs must be at least 1, but got {plan.epochs}")
    if plan.batch_size > len(train):
        law = f"training.batch_size={plan.batch_size} is more than the {len(train)} training examples: lower it"
        raise UserError(law)
    if program.replicas and plan.batch_size < program.replicas.count:
        count, what = program.replicas.count, "GPUs" if program.replicas.holds_several else "instances"
        law = f"training.batch_size={plan.batch_size} is less than the {count} {what} that share out each batch"
        raise UserError(f"{law}: raise it to {count}, or use at most {plan.batch_size} {what}")


@dataclass(frozen=True)
class _Run:
    plan: TrainingPlan
    program: Program
    state: LoopState
    stop: Callable[[], str | None]
    listeners: Sequence[Listener]
    validation: Split

    def to_its_end(self, calls: Calls, examples: int) -> Outcome:
        """Make what is left of the epochs, with at least one call where no epoch was validated."""
        state, best = self.state, self.state.best
        reason = self._why_to_end() if best and not state.losses else None
        was_stopped = False
        while best is None or reason is None:
            was_stopped = bool(reason := self._make_steps(calls, examples))
            if reason:
                self._notify(Stopping(reason, state.epochs_done + 1, state.step))
            best = self._end_epoch(reason, state.epochs_done + 1)
            reason = reason or self._why_to_end()
        epochs = state.epochs_done + bool(state.losses)
        if not was_stopped:
            self._notify(Stopping(reason, epochs, state.step))
        return Outcome(best, epochs, state.step, reason)

    def _why_to_end(self) -> str | None:
        """Return why the training ends with the epoch that was validated; None where it goes on."""
        if reason := self.stop():
            return reason
        if is_out_of_patience(self.plan.patience, self.state):
            return "patience"
        return "epochs" if self.state.epochs_done >= self.plan.epochs else None

    def _make_steps(self, calls: Calls, examples: int) -> str | None:
        """Make the epoch's remaining steps; return why to stop after one of them, None at the epoch's end.

        There is one validation more within it where the plan says so.
        """
        steps = self.plan.of_epoch(self.state.epochs_done + 1, examples)
        self.state.begin_epoch(len(steps.order))
        pause = self.plan.pause(steps)
        if reason := self._validate_early(pause):
            return reason
        for call in calls.of_epoch(steps, start=len(self.state.losses), pause=pause):
            self.state.add(call)
            self._notify(call)
            if reason := self.stop() or self._validate_early(pause):
                return reason
        return None

    def _validate_early(self, pause: int) -> str | None:
        """Validate within the epoch if that is due; return why to stop then, None to go on."""
        if not pause or len(self.state.losses) != pause or self.state.is_early_validated:
            return None
        metrics = self._validate()
        self.state.is_early_validated = True
        self._notify(EarlyValidation(pause, metrics))
        return self.stop()

    def _end_epoch(self, reason: str | None, epoch: int) -> EpochDone:
        """Keep the epoch's weights if they are the best so far, tell the listeners, and return the best epoch.

        Of a part of an epoch, the state keeps nothing: a training that goes on makes the whole one.
        """
        metrics, best, is_whole = self._validate(), self.state.best, self.state.is_at_end
        done = EpochDone(epoch, metrics, stopped_by=None if is_whole else reason)
        if best is None or self.plan.objective.is_better(metrics, best.metrics):
            weights = [variable.numpy() for variable in self.program.model.weights]
            done = best = EpochDone(epoch, metrics, weights, done.stopped_by)
        if is_whole:
            self.state.end_epoch(best)
        self._notify(done)
        return best

    def _validate(self) -> dict[str, float]:
        """Return the metrics of an epoch, or of its part so far, with those of the validation split."""
        state = self.state
        metrics = epoch_metrics(
            state.losses,
            state.accuracies,
            seconds=state.seconds,
            batch_size=self.plan.batch_size,
            learning_rate=float(self.plan.learning_rates(np.array([state.step - 1], np.float32))[0]),
            validation=self.program.evaluate(self.validation.images, self.validation.labels),
        )
        if not math.isfinite(metrics["val_loss"]):
            raise not_finite("val_loss", metrics["val_loss"], state.step, state.epochs_done + 1)
        return metrics

    def _notify(self, event: Event) -> None:
        for listener in self.listeners:
            listener(event)

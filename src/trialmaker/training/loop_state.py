"""How far a training has come: all that its loop needs to go on."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trialmaker.training.events import EpochDone, StepsDone
from trialmaker.training.program import Program
from trialmaker.training.snapshot import Misfit, Snapshot, check_arrays, numbered_arrays

STATE_NUMBERS = ("epochs_done", "step", "seconds", "epoch_steps", "is_early_validated")
STEP_LISTS = ("losses", "accuracies")


@dataclass
class LoopState:
    """How far a training has come, from one event to the next.

    With the program's weights and its optimizer's variables it is all that the loop needs: data order, augmentation,
    dropout, learning rate and the momentum of batch normalization are pure functions of the plan and the step, and
    where the epoch was cut into calls changes nothing.

    Attributes:
        epochs_done: whole epochs that were validated; the next one may have been begun.
        step: the last one, counted over all epochs.
        losses, accuracies: of each step of the epoch begun, in order.
        seconds: that these steps took.
        epoch_steps: how many the epoch has; 0 before the first.
        is_early_validated: whether the validation within the first epoch was made.
        best: the event of the best whole epoch, with its weights; None before one was validated.
    """

    epochs_done: int = 0
    step: int = 0
    losses: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    seconds: float = 0.0
    epoch_steps: int = 0
    is_early_validated: bool = False
    best: EpochDone | None = None

    @property
    def is_at_end(self) -> bool:
        """Return whether all steps of the epoch begun are made."""
        return len(self.losses) == self.epoch_steps

    def begin_epoch(self, steps: int) -> None:
        """Take up an epoch of so many steps, some of which may be made."""
        self.epoch_steps = steps

    def add(self, call: StepsDone) -> None:
        """Note steps that have been made."""
        self.step = call.step
        self.losses += call.losses
        self.accuracies += call.accuracies
        self.seconds += call.seconds

    def end_epoch(self, best: EpochDone) -> None:
        """Note that the epoch begun was validated as a whole, and which is the best one now."""
        self.epochs_done, self.best = self.epochs_done + 1, best
        self.losses, self.accuracies, self.seconds = [], [], 0.0

    def snapshot(self, program: Program) -> Snapshot:
        """Return the state with the program's weights and optimizer, copied."""
        values = {name: getattr(self, name) for name in STATE_NUMBERS}
        best = self.best and {"epoch": self.best.epoch, "metrics": dict(self.best.metrics)}
        arrays = numbered_arrays(
            weights=[variable.numpy() for variable in program.model.weights],
            optimizer=[np.asarray(variable.numpy()) for variable in program.optimizer.variables],
            best=(self.best and self.best.best_weights) or [],  # which nobody changes
        )
        lists = {name: np.array(getattr(self, name), np.float64) for name in STEP_LISTS}
        return Snapshot({**values, "precision": program.precision, "best": best}, {**lists, **arrays})

    @classmethod
    def restore(cls, snapshot: Snapshot, program: Program) -> "LoopState":
        """Return the state, and give the program its weights and its optimizer's variables.

        Args:
            program: just begun, built as that of the snapshot.

        Raises:
            Misfit: it is of another program; nothing is changed.
        """
        cls.check(snapshot, program)
        for name, variables in _variables(program).items():
            for variable, array in zip(variables, snapshot.numbered(name), strict=True):
                variable.assign(array)
        if best := snapshot.values["best"]:
            best = EpochDone(best["epoch"], best["metrics"], snapshot.numbered("best"))
        numbers = {name: snapshot.values[name] for name in STATE_NUMBERS}
        losses, accuracies = snapshot.lists(*STEP_LISTS)
        return cls(**numbers, losses=losses, accuracies=accuracies, best=best)

    @staticmethod
    def check(snapshot: Snapshot, program: Program) -> None:
        """Check that a snapshot is of a state of the program, as ``restore`` does before anything else.

        Raises:
            Misfit: it is not.
        """
        if others := sorted({*STATE_NUMBERS, "precision", "best"} ^ set(snapshot.values)):
            raise Misfit(f"loop: other fields: {', '.join(others)}")
        if (there := snapshot.values["precision"]) != program.precision:
            raise Misfit(f"precision: {there} there, {program.precision} here")
        for name, variables in _variables(program).items():
            check_arrays(name, snapshot.numbered(name), variables)
        check_arrays("best", snapshot.numbered("best"), program.model.weights if snapshot.values["best"] else [])
        steps, epoch_steps = len(snapshot.lists(*STEP_LISTS)[0]), snapshot.values["epoch_steps"]
        if steps > epoch_steps:
            raise Misfit(f"loop: {steps} steps of an epoch of {epoch_steps}")


def _variables(program: Program) -> dict[str, Sequence[Any]]:
    """Return the variables that a snapshot holds, by their name there."""
    return {"weights": program.model.weights, "optimizer": program.optimizer.variables}

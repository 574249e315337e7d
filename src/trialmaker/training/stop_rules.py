"""Rules by which a training ends before its last epoch."""

from collections.abc import Callable, Sequence

from trialmaker.training.events import EpochDone

StopRule = Callable[[int, EpochDone], str | None]  # of the epoch that has ended, and the best one: why to stop, or None


def out_of_patience(patience: int | None) -> StopRule:
    """Return the rule that stops after so many epochs without a better objective; None for never."""
    return lambda epoch, best: "patience" if patience and epoch - best.epoch >= patience else None


def first_reason(rules: Sequence[StopRule], epoch: int, best: EpochDone) -> str | None:
    """Return what the first rule that asks to stop says; None where none does."""
    return next((reason for rule in rules if (reason := rule(epoch, best))), None)

"""Rules by which a training ends before its last epoch."""

from trialmaker.training.loop_state import LoopState


def is_out_of_patience(patience: int | None, state: LoopState) -> bool:
    """Return whether there were so many epochs without a better objective since the best one; None for never."""
    return bool(patience and state.best and state.epochs_done - state.best.epoch >= patience)

"""Why a training ends before its last epoch."""

import math
import time

from trialmaker.config.schema import Training
from trialmaker.experiment.trial_listener import TrialReporter
from trialmaker.platform.signals import Signals


class StopCondition:
    """Why to end before the last epoch: a signal, or the time limit less its margin."""

    def __init__(self, wanted: Training, started: float, signals: Signals, trial: "TrialReporter") -> None:
        self.trial = trial
        self.deadline = started + (wanted.max_seconds or math.inf) - wanted.margin_seconds
        self.signals = signals

    def __call__(self) -> str | None:
        if self.signals.received is not None:
            return "signal"
        if self.trial.is_pruned:
            return "pruned"
        return "max_seconds" if time.monotonic() >= self.deadline else None

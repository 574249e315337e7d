"""Why a training ends before its last epoch."""

import math
import time

from trialmaker.config.schema import Training
from trialmaker.experiment.trial_listener import TrialReporter
from trialmaker.platform.signals import Signals


class StopCondition:
    """A signal, a study that prunes the trial, or the time limit less its margin.

    Args:
        started: ``time.monotonic()`` from which ``training.max_seconds`` counts.
    """

    def __init__(self, training: Training, started: float, signals: Signals, reporter: TrialReporter) -> None:
        self.deadline = started + (training.max_seconds or math.inf) - training.margin_seconds
        self.signals, self.reporter = signals, reporter

    def __call__(self) -> str | None:
        """Return why to end now; None to go on."""
        if self.signals.received is not None:
            return "signal"
        if self.reporter.is_pruned:
            return "pruned"
        return "max_seconds" if time.monotonic() >= self.deadline else None

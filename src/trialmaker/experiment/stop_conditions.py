"""Why a training ends before its last epoch."""

import math
import time

from trialmaker.config.run_schema import Training
from trialmaker.experiment.trial_listener import TrialReporter
from trialmaker.platform.signals import Signals


class StopCondition:
    """A signal, a study that prunes the trial, or the time limit less its margin.

    Args:
        started: ``time.monotonic()`` from which ``training.max_seconds`` counts.
        spent_seconds: by earlier attempts of the run, which ``training.max_seconds_total`` counts too.
    """

    def __init__(
        self, training: Training, started: float, spent_seconds: float, signals: Signals, reporter: TrialReporter
    ) -> None:
        self.limit, seconds = time_limit(training, spent_seconds)
        self.deadline = started + seconds - training.margin_seconds
        self.signals, self.reporter = signals, reporter

    def __call__(self) -> str | None:
        """Return why to end now; None to go on."""
        if self.signals.received is not None:
            return "signal"
        if self.reporter.is_pruned:
            return "pruned"
        return self.limit if time.monotonic() >= self.deadline else None


def time_limit(training: Training, spent_seconds: float) -> tuple[str, float]:
    """Return the field that limits the time of a process, and its seconds, from the start of the process.

    Args:
        training: with the limits.
        spent_seconds: by earlier attempts of the run, which ``training.max_seconds_total`` counts too.
    """
    limits = {
        "max_seconds": training.max_seconds or math.inf,
        "max_seconds_total": (training.max_seconds_total or math.inf) - spent_seconds,
    }
    field = min(limits, key=lambda name: limits[name])
    return field, limits[field]

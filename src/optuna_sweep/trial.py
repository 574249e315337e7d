"""A task's side of a sweep: ``current_trial()`` takes its reports and says whether to stop."""

import os
from typing import Any, Protocol

from hydra.core.hydra_config import HydraConfig

from optuna_sweep.process_identity import WORKER


class CurrentTrial(Protocol):
    """The trial that a task runs as.

    Attributes:
        number: the trial's, from 0; None outside a sweep.
        study: the study's name; None outside a sweep.
        attempt: how often the trial was begun before and not brought to its end.
    """

    number: int | None
    study: str | None
    attempt: int

    def report(self, value: float, step: int) -> None:
        """Report a value of the objective, reached after `step` units of work; steps ascend."""

    def should_prune(self) -> bool:
        """Return whether to stop; once True, the trial is PRUNED, whether the task returns or raises."""

    def is_own(self) -> bool:
        """Return whether the trial is still this process's: one that was silent for too long has lost it to another."""


class NoTrial:
    """A no-op trial, for tasks outside a sweep."""

    number: int | None = None
    study: str | None = None
    attempt: int = 0

    def report(self, value: float, step: int) -> None:
        """Do nothing."""

    def should_prune(self) -> bool:
        """Return False."""
        return False

    def is_own(self) -> bool:
        """Return True."""
        return True


def is_worker() -> bool:
    """Return whether this process is one of a sweep's workers, whose supervisor reports for all of them."""
    return WORKER in os.environ


_current: CurrentTrial | None = None  # of this process, which runs one task at a time


def current_trial() -> CurrentTrial:
    """Return the trial that runs this task.

    Outside a sweep, ``current_trial()`` returns a no-op trial. In a process of another launcher (joblib, submitit, Ray)
    it connects to the trial through the study's storage.
    """
    return _current or _trial_in_storage() or NoTrial()


def set_current_trial(trial: CurrentTrial | None) -> None:
    """Set the trial that ``current_trial()`` returns in this process; None when it has ended."""
    global _current
    _current = trial


def _trial_in_storage() -> CurrentTrial | None:
    if not HydraConfig.initialized():
        return None
    config: Any = HydraConfig.get()
    reference = config.sweeper.get("trial") if config.get("sweeper") else None
    if not reference:
        return None
    from optuna_sweep.remote import connect

    return connect(reference)

"""What a task says to the sweep that runs it: ``current_trial()`` reports values, and learns whether to go on.

Outside of a sweep there is a trial too, which nobody listens to, so that a task need not ask.
"""

import os
from copy import copy
from typing import TYPE_CHECKING, Any, Protocol

from hydra.core.hydra_config import HydraConfig

if TYPE_CHECKING:
    from optuna.trial import Trial as OptunaTrial

PRUNED = "pruned"
WORKER = "HYDRA_OPTUNA_WORKER"  # marks a worker process; the process that started it


class CurrentTrial(Protocol):
    """Of a task.

    Attributes:
        number: of the trial, from 0; None outside of a sweep.
        study: its study's name; None outside of a sweep.
    """

    number: int | None
    study: str | None

    def report(self, value: float, step: int) -> None:
        """Tell a value of the objective, and after how much work it was reached; steps ascend."""

    def should_prune(self) -> bool:
        """Whether to stop. A task that has been told to is PRUNED, whether it returns or raises."""


class NoTrial:
    """Outside of a sweep."""

    number: int | None = None
    study: str | None = None

    def report(self, value: float, step: int) -> None:
        """Tell nobody."""

    def should_prune(self) -> bool:
        """No."""
        return False


class LiveTrial:
    """Of a study.

    Attributes:
        reports: how many values were told.
        is_pruned: whether the task was told to stop.
    """

    def __init__(self, trial: "OptunaTrial") -> None:
        self.trial = trial
        self.number: int | None = trial.number
        self.study: str | None = trial.study.study_name
        self.is_single = len(trial.study.directions) == 1
        self.told: dict[int, float] = {}  # an attempt that was stopped may have left others in the storage
        self.reports = 0
        self.is_pruned = False

    def report(self, value: float, step: int) -> None:
        self.reports += 1
        if self.is_single:
            self.told[step] = float(value)
            self.trial.storage.set_trial_intermediate_value(self.trial._trial_id, step, float(value))

    def should_prune(self) -> bool:
        if not self.is_pruned and self.is_single:
            frozen = copy(self.trial.storage.get_trial(self.trial._trial_id))
            frozen.intermediate_values = self.told
            self.is_pruned = self.trial.study.pruner.prune(self.trial.study, frozen)
            if self.is_pruned:
                self.trial.set_user_attr(PRUNED, True)  # for the sweeper, which may be another process
        return self.is_pruned


def is_worker() -> bool:
    """Whether this process is one of several that the sweep started; the first one reports for all."""
    return WORKER in os.environ


_current: CurrentTrial | None = None  # of this process, which runs one task at a time


def current_trial() -> CurrentTrial:
    """The trial that runs this task.

    In a process of a launcher's (joblib, submitit, Ray) it is found through the storage.
    """
    return _current or _from_storage() or NoTrial()


def set_current(trial: CurrentTrial | None) -> None:
    """For the sweeper."""
    global _current
    _current = trial


def _from_storage() -> CurrentTrial | None:
    if not HydraConfig.initialized():
        return None
    config: Any = HydraConfig.get()
    found = config.sweeper.get("trial") if config.get("sweeper") else None
    if not found:
        return None
    from hydra_plugins.optuna_sweeper._remote import connect

    return connect(found)

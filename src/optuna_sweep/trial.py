"""What a task says to the sweep that runs it: ``current_trial()`` reports values, and learns whether to go on."""

import os
from typing import TYPE_CHECKING, Any, Protocol

from hydra.core.hydra_config import HydraConfig

if TYPE_CHECKING:
    pass
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
    from optuna_sweep.remote import connect

    return connect(found)

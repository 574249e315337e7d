"""A study of a known number of trials, which any number of processes may work on, and die.

Every trial is a row from the start, numbered from 0 and WAITING. A worker claims one, which the storage does
atomically; only numbers below the total are claimed, so that no race makes a trial too many. A trial whose worker died,
or was stopped, waits again under its number.
"""

import socket
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import optuna
import psutil
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

OWNER, RETRIES = "owner", "retries"  # system attributes of a trial
ERROR, OVERRIDES = "error", "overrides"  # user attributes: why it failed, what it was run with
HEARTBEAT_SECONDS = 30.0  # between two signs of life of a worker
CLAIM_SECONDS = 10.0  # between a claim and its first sign of life
SILENT_SECONDS = 4 * HEARTBEAT_SECONDS  # a worker on another machine that is silent for so long is dead


class Study:
    """What a sweep needs of an Optuna study.

    Args:
        storage: where it lies, or will.
        directions: one an objective.
        n_trials: its total.
        max_retries: how often a trial whose worker died is run again.
    """

    def __init__(
        self,
        storage: BaseStorage,
        name: str,
        directions: Sequence[StudyDirection],
        n_trials: int,
        max_retries: int,
        pruner: optuna.pruners.BasePruner,
    ) -> None:
        self.storage = storage = optuna.storages.get_storage(storage)  # with Optuna's cache, where it has one
        self.n_trials, self.max_retries = n_trials, max_retries
        self.study = optuna.create_study(
            storage=storage,
            study_name=name,
            directions=list(directions),
            pruner=pruner,
            load_if_exists=True,
        )
        self.is_exhausted = False
        self.id = storage.get_study_id_from_name(name)

    def prepare(self, first: Sequence[Mapping[str, Any]]) -> None:
        """Make the rows that are missing; the very first ones take these parameters."""
        have = len(self.trials())
        for number in range(have, self.n_trials):
            if number < len(first):
                self.study.enqueue_trial(dict(first[number]))
            else:
                self.study.add_trial(optuna.trial.create_trial(state=TrialState.WAITING))

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """Those of the total, in the order of their numbers."""
        found = self.storage.get_all_trials(self.id, deepcopy=False, states=states or None)
        return [trial for trial in found if trial.number < self.n_trials]

    def claim(self, sampler: optuna.samplers.BaseSampler) -> Trial | None:
        """The next trial that waits, now RUNNING and this process's; None when none waits."""
        for waiting in self.trials(TrialState.WAITING):
            if self._take(waiting._trial_id):
                self.study.sampler = sampler
                self.touch(waiting._trial_id)
                return Trial(self.study, waiting._trial_id)
        return None

    def _take(self, trial_id: int) -> bool:
        try:
            return self.storage.set_trial_state_values(trial_id, TrialState.RUNNING)
        except UpdateFinishedTrialError:  # another worker was faster, by a whole trial
            return False

    def touch(self, trial_id: int) -> None:
        """Say that this process works on it."""
        process = psutil.Process()
        owner = {"host": socket.gethostname(), "pid": process.pid, "began": process.create_time(), "seen": time.time()}
        self.storage.set_trial_system_attr(trial_id, OWNER, owner)

    def tell(self, trial: Trial, state: TrialState, values: Sequence[float] | None = None, error: str = "") -> None:
        """Its end."""
        if error:
            trial.set_user_attr(ERROR, error)
        try:
            self.study.tell(trial, values, state=state, skip_if_finished=True)
        except RuntimeError as stop:  # of samplers that know an end, when they have come to it; the trial is told
            if "Study.stop" not in str(stop):
                raise
            self.is_exhausted = True

    def retries(self, trial: Trial) -> int:
        """How often its worker died."""
        return int(self.storage.get_trial(trial._trial_id).system_attrs.get(RETRIES, 0))

    def give_back(self, trial_id: int) -> None:
        """A trial that was stopped waits again; nothing is held against it."""
        if self.storage.get_trial(trial_id).state == TrialState.RUNNING:
            self.storage.set_trial_system_attr(trial_id, OWNER, None)
            self.storage.set_trial_state_values(trial_id, TrialState.WAITING)

    def recover(self) -> list[FrozenTrial]:
        """Have the trials of dead workers wait again, or fail when that has happened too often; those trials."""
        running = [trial for trial in self.trials(TrialState.RUNNING) if not _lives(trial)]
        lost = [trial for trial in running if self._owner(trial) == trial.system_attrs.get(OWNER)]  # nobody was faster
        for trial in lost:
            retries = trial.system_attrs.get(RETRIES, 0) + 1
            if retries > self.max_retries:
                message = f"its worker died {retries} times, perhaps for lack of memory"
                self.storage.set_trial_user_attr(trial._trial_id, ERROR, message)
                self.storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
            else:
                self.storage.set_trial_system_attr(trial._trial_id, RETRIES, retries)
                self.give_back(trial._trial_id)
        return lost

    def _owner(self, trial: FrozenTrial) -> Any:
        return self.storage.get_trial(trial._trial_id).system_attrs.get(OWNER)

    def is_unclear(self) -> bool:
        """Whether a trial was claimed, and nobody has said yet that he works on it: for some seconds at most."""
        return any(not trial.system_attrs.get(OWNER) and _lives(trial) for trial in self.trials(TrialState.RUNNING))

    def best(self) -> list[FrozenTrial]:
        """The best trial; of several objectives the Pareto front; empty before any has completed."""
        if not self.trials(TrialState.COMPLETE):
            return []
        return [self.study.best_trial] if len(self.study.directions) == 1 else self.study.best_trials


def _lives(trial: FrozenTrial) -> bool:
    """Whether the process that works on a trial still does."""
    owner = trial.system_attrs.get(OWNER)
    if not owner:  # it has just been claimed, or the claimer died at once
        began = trial.datetime_start
        return began is not None and (datetime.now() - began).total_seconds() < CLAIM_SECONDS
    if owner["host"] != socket.gethostname():
        return time.time() - float(owner["seen"]) < SILENT_SECONDS
    try:
        process = psutil.Process(owner["pid"])
        return abs(process.create_time() - owner["began"]) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False

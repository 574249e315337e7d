"""A study of a known number of trials, which any number of processes may work on, and die.

Every trial is a row from the start, numbered from 0 and WAITING. A worker claims one, which the storage does
atomically; only numbers below the total are claimed, so that no race makes a trial too many. A trial whose worker died,
or was stopped, waits again under its number.
"""

import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
import psutil
from optuna.distributions import BaseDistribution, check_distribution_compatibility
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

OWNER, RETRIES = "owner", "retries"  # system attributes of a trial
FIXED = "fixed_params"  # Optuna's, of a trial that was enqueued
ERROR, OVERRIDES = "error", "overrides"  # user attributes: why it failed, what it was run with
HEARTBEAT_SECONDS = 30.0  # between two signs of life of a worker
CLAIM_SECONDS = 10.0  # between a claim and its first sign of life
SETTLED_SECONDS = 0.5  # rows that another process makes follow one another faster
LEASE_SECONDS = 4 * HEARTBEAT_SECONDS  # a worker on another machine that is silent for so long is dead


class Study:
    """What a sweep needs of an Optuna study.

    Args:
        storage: where it lies, or will.
        directions: one an objective.
        n_trials: its total.
        max_retries: how often a trial whose worker died is run again.
        first: what the first trials take, by parameter.
    """

    def __init__(
        self,
        storage: BaseStorage,
        name: str,
        directions: Sequence[StudyDirection],
        n_trials: int,
        max_retries: int,
        pruner: optuna.pruners.BasePruner,
        first: Sequence[Mapping[str, Any]] = (),
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
        self.first = first
        self.is_exhausted = False
        self.first_seen: dict[tuple[int, datetime | None], float] = {}  # trials that nobody says he works on
        self.id = storage.get_study_id_from_name(name)

    def prepare(self) -> None:
        """Make the rows that are missing; where several processes begin to at once, the one whose row is the first.

        A row too many, should that happen all the same, is never claimed.
        """
        have = self._rows(SETTLED_SECONDS)
        if have < self.n_trials and self._add_row() > have:
            self._rows(CLAIM_SECONDS)
        while len(self.trials()) < self.n_trials:
            self._add_row()

    def _rows(self, quiet_seconds: float) -> int:
        """How many there are: all, none, or as many as when none has come for so many seconds."""
        count, since = len(self.trials()), time.monotonic()
        while 0 < count < self.n_trials and time.monotonic() - since < quiet_seconds:
            time.sleep(0.05)
            if (now := len(self.trials())) > count:
                count, since = now, time.monotonic()
        return count

    def _add_row(self) -> int:
        row = optuna.trial.create_trial(state=TrialState.WAITING)
        return self.storage.get_trial(self.storage.create_new_trial(self.id, template_trial=row)).number

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """Those of the total, in the order of their numbers."""
        found = self.storage.get_all_trials(self.id, deepcopy=False, states=states or None)
        return [trial for trial in found if trial.number < self.n_trials]

    def claim(self, sampler: optuna.samplers.BaseSampler) -> Trial | None:
        """The next trial that waits, now RUNNING and this process's; None when none waits."""
        for waiting in self.trials(TrialState.WAITING):
            if self._take(waiting._trial_id):
                try:
                    return self._begin(waiting, sampler)
                except BaseException:  # Ctrl-C or SIGTERM, just now
                    self.give_back(waiting._trial_id)
                    raise
        return None

    def _begin(self, claimed: FrozenTrial, sampler: optuna.samplers.BaseSampler) -> Trial:
        self.touch(claimed._trial_id, _attempt(claimed) + 1)
        self.study.sampler = sampler
        if claimed.number < len(self.first):
            point = dict(self.first[claimed.number])
            self.storage.set_trial_system_attr(claimed._trial_id, FIXED, point)
        return Trial(self.study, claimed._trial_id)

    def _take(self, trial_id: int) -> bool:
        try:
            return self.storage.set_trial_state_values(trial_id, TrialState.RUNNING)
        except UpdateFinishedTrialError:  # another worker was faster, by a whole trial
            return False

    def attempt(self, trial: Trial) -> int:
        """How often it was begun before this time."""
        return _attempt(self.storage.get_trial(trial._trial_id))

    def touch(self, trial_id: int, attempt: int) -> None:
        """Say that this process works on it, for the so manieth time from 0."""
        process = psutil.Process()
        owner = {"host": _machine(), "pid": process.pid, "began": process.create_time(), "seen": time.time()}
        self.storage.set_trial_system_attr(trial_id, OWNER, {**owner, "attempt": attempt})

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

    def give_back(self, trial_id: int, lost: FrozenTrial | None = None) -> bool:
        """A trial that was stopped waits again; nothing is held against it. Whether it does.

        Args:
            lost: what it was when its worker was found dead; if it is that no longer, another has taken care of it.
        """
        trial = self.storage.get_trial(trial_id)
        if trial.state != TrialState.RUNNING or (lost and _claim(lost) != _claim(trial)):
            return False
        self.storage.set_trial_system_attr(trial_id, OWNER, {"attempt": _attempt(trial)})
        return self.storage.set_trial_state_values(trial_id, TrialState.WAITING)

    def recover(self) -> list[FrozenTrial]:
        """Have the trials of dead workers wait again, or fail when that has happened too often; those trials."""
        lost = [trial for trial in self.trials(TrialState.RUNNING) if not self._lives(trial)]
        for trial in lost:
            retries = trial.system_attrs.get(RETRIES, 0) + 1
            if retries > self.max_retries:
                message = f"its worker died {retries} times, perhaps for lack of memory"
                self.storage.set_trial_user_attr(trial._trial_id, ERROR, message)
                self.storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
            elif self.give_back(trial._trial_id, trial):
                self.storage.set_trial_system_attr(trial._trial_id, RETRIES, retries)
        return lost

    def _lives(self, trial: FrozenTrial) -> bool:
        """Whether the process that works on a trial still does."""
        owner = _owner(trial)
        if not owner:  # it has just been claimed, or the claimer died at once; their clock may not be ours
            since = self.first_seen.setdefault((trial._trial_id, trial.datetime_start), time.monotonic())
            return time.monotonic() - since < CLAIM_SECONDS
        if owner["host"] != _machine():
            return time.time() - float(owner["seen"]) < LEASE_SECONDS
        try:
            process = psutil.Process(owner["pid"])
            return abs(process.create_time() - owner["began"]) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def is_unclear(self) -> bool:
        """Whether a trial was claimed, and nobody has said yet that he works on it: for some seconds at most."""
        return any(not _owner(trial) and self._lives(trial) for trial in self.trials(TrialState.RUNNING))

    def differences(self, drawn: Mapping[str, BaseDistribution]) -> Iterator[tuple[str, str, str]]:
        """The parameters that Optuna cannot draw as now asked for, with the old distribution and the new one."""
        held = {name: old for trial in self.trials() for name, old in trial.distributions.items()}
        for name in held.keys() & drawn.keys():
            try:
                check_distribution_compatibility(held[name], drawn[name])
            except ValueError:
                yield name, str(held[name]), str(drawn[name])

    def best(self) -> list[FrozenTrial]:
        """The best trial; of several objectives the Pareto front; empty before any has completed."""
        if not self.trials(TrialState.COMPLETE):
            return []
        return [self.study.best_trial] if len(self.study.directions) == 1 else self.study.best_trials


def _claim(trial: FrozenTrial) -> tuple[object, ...]:
    """Whose it is, and since when."""
    return trial.datetime_start, trial.system_attrs.get(OWNER)


def _attempt(trial: FrozenTrial) -> int:
    return int((trial.system_attrs.get(OWNER) or {}).get("attempt", -1))


def _owner(trial: FrozenTrial) -> dict[str, Any]:
    owner: dict[str, Any] = trial.system_attrs.get(OWNER) or {}
    return owner if "pid" in owner else {}


def _machine() -> str:
    """Where process numbers mean something: of two containers, each has its own, and perhaps the same host name."""
    with suppress(OSError):
        return f"{socket.gethostname()} {Path('/proc/self/ns/pid').readlink()}"
    return socket.gethostname()

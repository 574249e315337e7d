"""A study of a fixed number of trials, on which any number of processes may work, and die.

Every trial is a row from the start, numbered from 0 and WAITING. A worker claims one, which the storage does
atomically; only numbers below the total are claimed, so that no race makes a trial too many. A trial whose worker died,
or was stopped, waits again under its number.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.exceptions import DuplicatedStudyError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from optuna_sweep.attributes import ERROR
from optuna_sweep.leases import CLAIM_SECONDS, Leases
from optuna_sweep.optuna_internals import FIXED_PARAMS, get_trial_id, is_stop_request

SETTLED_SECONDS = 0.5  # rows that another process makes follow one another faster


class Study:
    """An Optuna study of ``n_trials`` trials, made where the storage has none of that name.

    Args:
        storage: where the study is kept.
        name: the study's.
        directions: one per objective.
        n_trials: the total number of trials.
        max_retries: how often a trial whose worker died is run again.
        pruner: Optuna's.
        initial_points: the parameters of the first trials, by name; the sampler draws what is missing in them.
        is_shared: whether the machines of one job work on it, each until its last trial has ended.

    Attributes:
        study: Optuna's.
        is_new: whether this process has created it.
        id: the study's key in the storage.
        leases: the claims of processes on its trials.
        is_exhausted: whether the sampler has nothing more to suggest.
    """

    def __init__(
        self,
        storage: BaseStorage,
        name: str,
        directions: Sequence[StudyDirection],
        n_trials: int,
        max_retries: int,
        pruner: optuna.pruners.BasePruner,
        initial_points: Sequence[Mapping[str, Any]] = (),
        *,
        is_shared: bool = False,
    ) -> None:
        self.storage = optuna.storages.get_storage(storage)  # with Optuna's cache, where it has one
        self.is_new = True
        try:
            self.study = optuna.create_study(
                storage=self.storage, study_name=name, directions=list(directions), pruner=pruner
            )
        except DuplicatedStudyError:
            self.is_new = False
            self.study = optuna.load_study(storage=self.storage, study_name=name, pruner=pruner)
        self.id = self.storage.get_study_id_from_name(name)
        self.n_trials, self.initial_points = n_trials, initial_points
        self.is_shared = is_shared
        self.leases = Leases(self.storage, self.trials, max_retries, is_shared=is_shared)
        self.is_exhausted = False

    def prepare(self) -> None:
        """Add the missing rows. Where several processes begin to at once, the one that adds the first row adds all.

        A row too many, should that happen all the same, is never claimed.
        """
        count = self._settled_row_count(SETTLED_SECONDS)
        if count < self.n_trials and self._add_row() > count:
            self._settled_row_count(CLAIM_SECONDS)
        while len(self.trials()) < self.n_trials:
            self._add_row()

    def _settled_row_count(self, quiet_seconds: float) -> int:
        """Return the number of rows once it is 0, the total, or the same for `quiet_seconds`."""
        count, since = len(self.trials()), time.monotonic()
        while 0 < count < self.n_trials and time.monotonic() - since < quiet_seconds:
            time.sleep(0.05)
            if (present := len(self.trials())) > count:
                count, since = present, time.monotonic()
        return count

    def _add_row(self) -> int:
        row = optuna.trial.create_trial(state=TrialState.WAITING)
        return self.storage.get_trial(self.storage.create_new_trial(self.id, template_trial=row)).number

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """Return the trials of the given states, or all, in the order of their numbers; rows too many left out."""
        rows = self.storage.get_all_trials(self.id, deepcopy=False, states=states or None)
        return [trial for trial in rows if trial.number < self.n_trials]

    def awaits_others(self) -> bool:
        """Return whether a trial runs that may have to be run again: of a worker that has just claimed it, or dies."""
        return bool(self.is_shared and self.trials(TrialState.RUNNING)) or self.leases.has_unconfirmed_claims()

    def hurry(self) -> None:
        """Wait no longer for a storage that is away than a process may that is to end."""
        if self.is_shared:
            from optuna_sweep.proxy_client import hurry  # gRPC's import

            hurry(self.storage)

    def claim(self, sampler: optuna.samplers.BaseSampler) -> Trial | None:
        """Claim the next trial that waits for this process; return None when none waits."""
        return self.leases.claim(lambda claimed: self._begin(claimed, sampler))

    def _begin(self, claimed: FrozenTrial, sampler: optuna.samplers.BaseSampler) -> Trial:
        self.study.sampler = sampler
        if claimed.number < len(self.initial_points):
            point = dict(self.initial_points[claimed.number])
            self.storage.set_trial_system_attr(get_trial_id(claimed), FIXED_PARAMS, point)
        return Trial(self.study, get_trial_id(claimed))

    def tell(self, trial: Trial, state: TrialState, values: Sequence[float] | None = None, error: str = "") -> None:
        """Finish a trial.

        Args:
            trial: a trial that this process claimed; nothing happens to one that has ended.
            state: COMPLETE, PRUNED or FAIL.
            values: one per objective, of a trial that is COMPLETE.
            error: why it failed.
        """
        if error:
            trial.set_user_attr(ERROR, error)
        try:
            self.study.tell(trial, values, state=state, skip_if_finished=True)
        except RuntimeError as stop:
            if not is_stop_request(stop):
                raise
            self.is_exhausted = True

    def best(self) -> list[FrozenTrial]:
        """Return the best trial; of several objectives the Pareto front; nothing before any has completed."""
        if not self.trials(TrialState.COMPLETE):
            return []
        return [self.study.best_trial] if len(self.study.directions) == 1 else self.study.best_trials

"""Which process runs a trial: claims, heartbeats, and the recovery of trials whose worker died."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import datetime
from typing import Any, TypeVar

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from optuna_sweep.attributes import ERROR, OWNER, RETRIES
from optuna_sweep.optuna_internals import get_trial_id
from optuna_sweep.process_identity import ProcessIdentity, this_process

HEARTBEAT_SECONDS = 30.0  # between two heartbeats of a worker
SHARED_HEARTBEAT_SECONDS = 10.0  # where machines share a study: a lost one is to be noticed soon
LEASE_BEATS = 4  # a worker on another machine that is silent for so many heartbeats is dead
CLAIM_SECONDS = 10.0  # at most, between a claim and its first heartbeat
CLOCK_SECONDS = 300.0  # by which the clocks of two machines that share a study may differ

Started = TypeVar("Started")


class Leases:
    """The claims of worker processes on the trials of one study.

    A claim sets the trial to RUNNING, which the storage does for one worker alone, and its first heartbeat names the
    process in the system attribute ``owner``.

    Args:
        storage: the study's.
        list_trials: returns the study's trials of the given states.
        max_retries: how often a trial whose worker died is run again.
        is_shared: whether machines share the study, each of which looks again and again whether another is lost.
    """

    def __init__(
        self,
        storage: BaseStorage,
        list_trials: Callable[[TrialState], list[FrozenTrial]],
        max_retries: int,
        *,
        is_shared: bool = False,
    ) -> None:
        self.max_retries, self.is_shared = max_retries, is_shared
        self.heartbeat_seconds = SHARED_HEARTBEAT_SECONDS if is_shared else HEARTBEAT_SECONDS
        self._storage, self._list_trials = storage, list_trials
        # When this process first saw a claim without a heartbeat: by trial and the time of the claim.
        self._unconfirmed_since: dict[tuple[int, datetime | None], float] = {}
        # The last heartbeats that this process saw, and when it saw them first, by its own clock: by trial.
        self._beats: dict[int, tuple[float, float]] = {}

    def claim(self, start: Callable[[FrozenTrial], Started]) -> Started | None:
        """Claim the next trial that waits; return None when none waits.

        Args:
            start: makes of the claimed trial what is returned. Where it raises, the trial is requeued.
        """
        for waiting in self._list_trials(TrialState.WAITING):
            if self._try_claim(get_trial_id(waiting)):
                try:
                    self.record_heartbeat(get_trial_id(waiting), attempt_of(waiting) + 1)
                    return start(waiting)
                except BaseException:  # Ctrl-C or SIGTERM, just now
                    self.requeue(get_trial_id(waiting))
                    raise
        return None

    def _try_claim(self, trial_id: int) -> bool:
        try:
            return self._storage.set_trial_state_values(trial_id, TrialState.RUNNING)
        except UpdateFinishedTrialError:  # another worker was faster, by a whole trial
            return False

    def attempt(self, trial_id: int) -> int:
        """Return the number of the trial's present attempt, from 0."""
        return attempt_of(self._storage.get_trial(trial_id))

    def record_heartbeat(self, trial_id: int, attempt: int) -> None:
        """Record a heartbeat: this process runs attempt `attempt` (0-based) of the trial."""
        owner = asdict(this_process()) | {"seen": time.time(), "lease": LEASE_BEATS * self.heartbeat_seconds}
        self._storage.set_trial_system_attr(trial_id, OWNER, {**owner, "attempt": attempt})

    @contextmanager
    def heartbeats(self, trial_ids: Sequence[int]) -> Iterator[None]:
        """Record heartbeats of trials, from a thread, for as long as the context lasts."""
        is_over = threading.Event()

        def beat() -> None:
            while not is_over.wait(self.heartbeat_seconds):
                for trial_id in trial_ids:
                    with suppress(Exception):  # it has just ended, or the storage is away for a moment
                        if is_own(trial := self._storage.get_trial(trial_id)):
                            self.record_heartbeat(trial_id, attempt_of(trial))

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()

    def requeue(self, trial_id: int, lost: FrozenTrial | None = None) -> bool:
        """Requeue a stopped trial without counting a retry; return whether it was requeued.

        Args:
            trial_id: its key in the storage.
            lost: what it was when its worker was found dead. If its claim has changed since then, another process has
                recovered it, and it is left alone.
        """
        trial = self._storage.get_trial(trial_id)
        if trial.state != TrialState.RUNNING or (lost and _claim(lost) != _claim(trial)):
            return False
        self._storage.set_trial_system_attr(trial_id, OWNER, {"attempt": attempt_of(trial)})
        return self._storage.set_trial_state_values(trial_id, TrialState.WAITING)

    def recover(self) -> list[FrozenTrial]:
        """Requeue the trials of dead workers, or fail those without retries left; return all of them."""
        lost = [trial for trial in self._list_trials(TrialState.RUNNING) if not self._lives(trial)]
        for trial in lost:
            retries = trial.system_attrs.get(RETRIES, 0) + 1
            if retries > self.max_retries:
                message = f"its worker died {retries} times, perhaps for lack of memory"
                self._storage.set_trial_user_attr(get_trial_id(trial), ERROR, message)
                self._storage.set_trial_state_values(get_trial_id(trial), TrialState.FAIL)
            elif self.requeue(get_trial_id(trial), trial):
                self._storage.set_trial_system_attr(get_trial_id(trial), RETRIES, retries)
        return lost

    def _lives(self, trial: FrozenTrial) -> bool:
        """Return whether the process that claimed a trial still runs, as far as can be told from here."""
        owner = _owner(trial)
        if not owner:  # it has just been claimed, or the claimer died at once; their clock may not be ours
            since = self._unconfirmed_since.setdefault((get_trial_id(trial), trial.datetime_start), time.monotonic())
            return time.monotonic() - since < CLAIM_SECONDS
        is_alive = _identity(owner).is_alive()
        return self._beats_still(get_trial_id(trial), owner) if is_alive is None else is_alive

    def _beats_still(self, trial_id: int, owner: dict[str, Any]) -> bool:
        """Return whether a process of another machine sends heartbeats: by its clock, or as seen by this one's."""
        seen, lease = float(owner["seen"]), float(owner.get("lease", LEASE_BEATS * HEARTBEAT_SECONDS))
        if time.time() - seen >= lease + (CLOCK_SECONDS if self.is_shared else 0.0):
            return False
        if self._beats.get(trial_id, (0.0, 0.0))[0] != seen:
            self._beats[trial_id] = seen, time.monotonic()
        return time.monotonic() - self._beats[trial_id][1] < lease

    def has_unconfirmed_claims(self) -> bool:
        """Return whether a trial was claimed without a heartbeat yet, which lasts ``CLAIM_SECONDS`` at most."""
        return any(not _owner(trial) and self._lives(trial) for trial in self._list_trials(TrialState.RUNNING))


def is_own(trial: FrozenTrial) -> bool:
    """Return whether this process runs a trial still, as it is stored now: one that was silent may have lost it."""
    owner = _owner(trial)
    return bool(owner) and _identity(owner) == this_process()


def _claim(trial: FrozenTrial) -> tuple[object, ...]:
    """Return what tells one claim on a trial from another."""
    return trial.datetime_start, trial.system_attrs.get(OWNER)


def _identity(owner: dict[str, Any]) -> ProcessIdentity:
    return ProcessIdentity(owner["host"], owner["pid"], owner["began"])


def attempt_of(trial: FrozenTrial) -> int:
    """Return the number of the trial's last attempt, from 0; -1 before the first."""
    return int((trial.system_attrs.get(OWNER) or {}).get("attempt", -1))


def _owner(trial: FrozenTrial) -> dict[str, Any]:
    """Return the last heartbeat; empty before the first one and after a requeue."""
    owner: dict[str, Any] = trial.system_attrs.get(OWNER) or {}
    return owner if "pid" in owner else {}

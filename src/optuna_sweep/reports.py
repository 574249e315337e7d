"""Values that a trial reports, written to its storage many at a time: one write costs as much as many values."""

from collections.abc import Mapping
from typing import Any

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal._storage import JournalOperation


class ReportJournal(JournalStorage):
    """Optuna's journal storage, with one write for many values (by private parts, seen with optuna 5.0)."""

    def set_trial_intermediate_values(self, trial_id: int, values: Mapping[int, float]) -> None:
        """Store values by their steps, as ``set_trial_intermediate_value`` does one.

        Raises:
            KeyError: there is no such trial.
            UpdateFinishedTrialError: it has ended.
        """
        with self._thread_lock:
            self._sync_with_backend()
            if self._replay_result.get_trial(trial_id).state.is_finished():
                raise UpdateFinishedTrialError(f"trial {trial_id} has ended")
            operation: dict[str, Any] = {
                "op_code": JournalOperation.SET_TRIAL_INTERMEDIATE_VALUE,
                "worker_id": self._replay_result.worker_id,
                "trial_id": trial_id,
            }
            logs = [operation | {"step": step, "intermediate_value": value} for step, value in values.items()]
            if logs:  # else an empty line, which no reader of the journal gets past
                self._backend.append_logs(logs)
            self._read_all()

    def _read_all(self) -> None:
        """Take over the journal's records; raise only then what is wrong with one of this process, where each stops.

        Such are the reports of a trial that another process has ended since it was looked at.
        """
        wrong: Exception | None = None
        while True:
            try:
                self._sync_with_backend()
                break
            except (KeyError, UpdateFinishedTrialError) as error:
                wrong = error
        if wrong:
            raise wrong


def write_values(storage: BaseStorage, trial_id: int, values: Mapping[int, float]) -> None:
    """Store values of a running trial by their steps: in one call, where the storage has one."""
    if write := getattr(storage, "set_trial_intermediate_values", None):
        write(trial_id, values)
        return
    for step, value in values.items():
        storage.set_trial_intermediate_value(trial_id, step, value)

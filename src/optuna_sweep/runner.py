"""Claiming trials of a study, running them by a launcher, and telling the study what came of them."""

import itertools
import logging
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import optuna
from hydra.core.utils import JobReturn, JobStatus
from optuna.trial import Trial, TrialState

from optuna_sweep import validation
from optuna_sweep.attributes import PRUNED
from optuna_sweep.interruption import Deferral
from optuna_sweep.launcher import TRACEBACK, raised_exception
from optuna_sweep.leases import is_own
from optuna_sweep.live_trial import LiveTrial
from optuna_sweep.optuna_internals import get_trial_id
from optuna_sweep.study import Study
from optuna_sweep.suggestion import Suggester
from optuna_sweep.trial import set_current_trial

log = logging.getLogger(__name__)
WRITE_SECONDS = 1.0  # for which a trial's reports may be kept back, to be written together


class TrialRunner:
    """This process as a worker on a study.

    Args:
        study: whose trials are run.
        suggester: makes their overrides.
        launcher: Hydra's, or one for jobs in this process.
        batch_size: how many trials a launch gets; 1 in this process.
        deferral: of signals, but for a launcher in this process while it calls the task.
    """

    def __init__(self, study: Study, suggester: Suggester, launcher: Any, batch_size: int, deferral: Deferral) -> None:
        self.study, self.suggester, self.launcher = study, suggester, launcher
        self.batch_size, self.deferral = batch_size, deferral

    def run_batch(self) -> int:
        """Claim a batch of trials and run them; return how many there were.

        They are requeued where anything but a task raises.
        """
        with nullcontext() if self.study.is_shared else self.deferral:  # a storage may be away for long
            return self._run_batch()

    def _run_batch(self) -> int:
        batch: list[Trial] = []
        try:
            for _ in range(self.batch_size):
                if trial := self.study.claim(self.suggester.samplers.study_sampler):
                    batch.append(trial)
            self._run(batch)
        except BaseException:  # Ctrl-C, SIGTERM, or a bug: the trials wait for the next command
            self.study.hurry()
            for trial in batch:
                self.study.leases.requeue(get_trial_id(trial))
            raise
        return len(batch)

    def _run(self, batch: Sequence[Trial]) -> None:
        overrides = [self.suggester.overrides(self.study, trial) for trial in batch]
        live = LiveTrial(batch[0], WRITE_SECONDS) if batch and self.suggester.is_in_process else None
        with self.study.leases.heartbeats([get_trial_id(trial) for trial in batch]):
            set_current_trial(live)
            try:
                returns = self._launch([trial.number for trial in batch], overrides)
            except BaseException:
                self.study.hurry()
                if live:
                    live.flush_own()
                raise
            finally:
                set_current_trial(None)
        for trial, returned in zip(batch, returns, strict=True):
            self._tell(trial, returned, live)

    def _launch(self, numbers: list[int], overrides: list[list[str]]) -> list[JobReturn]:
        """Launch jobs in runs of consecutive numbers, since launchers number theirs without a gap."""
        starts = [at for at, number in enumerate(numbers) if at == 0 or number != numbers[at - 1] + 1]
        runs = itertools.pairwise([*starts, len(numbers)])
        with nullcontext() if self.suggester.is_in_process else self.deferral.lifted():
            return [
                returned
                for start, end in runs
                for returned in self.launcher.launch(overrides[start:end], initial_job_idx=numbers[start])
            ]

    def _tell(self, trial: Trial, returned: JobReturn, live: LiveTrial | None) -> None:
        stored = self.study.storage.get_trial(get_trial_id(trial))
        if self.study.is_shared and not is_own(stored):
            log.warning(f"trial {trial.number} was given to another process, as this one was silent for too long")
            return
        if live:
            live.flush()
        is_pruned = stored.user_attrs.get(PRUNED, False)
        if returned.status == JobStatus.COMPLETED and not is_pruned:
            values, error = validation.returned_values(returned.return_value, len(self.study.study.directions))
            self.study.tell(trial, TrialState.FAIL if error else TrialState.COMPLETE, values, error)
            self._warn_of_silence(live)
            return
        raised = raised_exception(returned)
        if is_pruned or isinstance(raised, optuna.TrialPruned):
            self.study.tell(trial, TrialState.PRUNED)
        else:
            error = f"{type(raised).__name__}: {raised}"
            self.study.tell(trial, TrialState.FAIL, error=error)
            log.warning(f"trial {trial.number} failed: {error}{self._traceback_hint(returned)}")

    def _traceback_hint(self, returned: JobReturn) -> str:
        if not self.suggester.is_in_process:
            return ""
        config: Any = returned.hydra_cfg
        return f"; see {Path(config.hydra.runtime.output_dir, TRACEBACK)}"

    def _warn_of_silence(self, live: LiveTrial | None) -> None:
        is_silent = live is not None and not live.report_count
        if is_silent and not isinstance(self.study.study.pruner, optuna.pruners.NopPruner):
            log.warning(
                "the task reports no values, so that nothing can be pruned:"
                " optuna_sweep.trial.current_trial().report(value, step)"
            )

"""One sweep: this process's part of completing a study."""

import logging
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import optuna
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.types import HydraContext, TaskFunction
from hydra.utils import instantiate
from omegaconf import DictConfig
from optuna.study import StudyDirection
from optuna.trial import TrialState

from optuna_sweep import application, fingerprint, space, validation, workers
from optuna_sweep.attributes import ERROR
from optuna_sweep.dry_run import print_first_trials
from optuna_sweep.identity import Identity
from optuna_sweep.initial_points import enqueued_points
from optuna_sweep.interruption import Deferral, terminable
from optuna_sweep.launcher import BASIC_LAUNCHER, InProcessLauncher
from optuna_sweep.limits import Limits
from optuna_sweep.location import displayed, name_and_place
from optuna_sweep.progress import LineProgress, NoProgress, ended_trials
from optuna_sweep.runner import TrialRunner
from optuna_sweep.sampling import SamplerFactory, accepted_arguments
from optuna_sweep.storage import find_study, open_storage
from optuna_sweep.study import Study
from optuna_sweep.suggestion import Suggester
from optuna_sweep.summary import write_summary
from optuna_sweep.trial import is_worker
from optuna_sweep.workers import POLL_SECONDS, SHARED_POLL_SECONDS

log = logging.getLogger(__name__)


class Sweep:
    """What ``OptunaSweeper`` does once Optuna is imported.

    Args:
        context: Hydra's.
        task: the application's function, which a job calls.
        config: the sweep's own.
        fields: those of ``hydra.sweeper``.
        arguments: overrides of the command line.

    Raises:
        HydraException: a field or an override breaks a law.
    """

    def __init__(
        self,
        context: HydraContext,
        task: TaskFunction,
        config: DictConfig,
        fields: Mapping[str, Any],
        arguments: Sequence[str],
    ) -> None:
        self.config, self.fields = config, fields
        self.load_config = context.config_loader.load_sweep_config
        validation.check(fields)
        self.directions = validation.directions(fields)
        custom = validation.custom_search_space(fields)
        name, place = name_and_place(config.hydra)
        self.limits = Limits(fields)
        search_space = space.read(fields["params"] or {}, arguments)
        if not search_space.distributions and not custom:
            raise HydraException("hydra.sweeper.params: there is nothing to search; for example x: interval(0.0, 1.0)")
        samplers = SamplerFactory(fields["sampler"], search_space.distributions)
        self.is_shared = bool(fields["shared"] or fields["serve"])
        self.is_in_process = config.hydra.launcher._target_ == BASIC_LAUNCHER
        self.deferral = Deferral()
        self.launcher: Any = (
            InProcessLauncher(context, task, config, self.deferral.lifted)
            if self.is_in_process
            else Plugins.instance().instantiate_launcher(hydra_context=context, task_function=task, config=config)
        )
        self.suggester = Suggester(config, name, place, search_space, custom, samplers, self.is_in_process)

    def run(self) -> Any:
        """Complete the study.

        Returns:
            The best value; of several objectives those of each trial on the Pareto front, a list each; an
            empty list where all trials were pruned; None in a worker or a dry run.

        Raises:
            HydraException: too many trials failed, none completed or was pruned, or the study cannot be used.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        if self.fields["dry_run"]:
            self._dry_run()
            return None
        study = self._open()
        if is_worker():
            workers.end_with_supervisor()
            with terminable():
                self._work(study)
            return None
        study.prepare()
        directory, displayed_place = Path(self.config.hydra.sweep.dir), displayed(self.suggester.place)
        ended = len(ended_trials(study))
        log.info(f"study {self.suggester.name} in {displayed_place}: {ended} of {study.n_trials} trials are done")
        with terminable(), self._serving(study):
            with self._progress(study) as progress:
                if (self.fields["n_jobs"] > 1 or self.is_shared) and self.is_in_process:
                    workers.supervise(study, self.fields["n_jobs"], directory, progress.update)
                else:
                    self._work(study, progress.update)
            return self._finish(study, directory)

    def _serving(self, study: Study) -> AbstractContextManager[None]:
        """Return the context in which the study's storage is served to the other machines that work on it."""
        if not self.fields["serve"]:
            return nullcontext()
        from optuna_sweep.proxy_server import serving  # gRPC's import

        log.info(f"study {self.suggester.name}: served to other machines on {self.fields['serve']}")
        return serving(study.storage, str(self.fields["serve"]))

    def _sums_up(self) -> bool:
        """Return whether this command reports on all trials, and no other one does."""
        return not self.is_shared or application.registered().sums_up(self.suggester.place)

    def _progress(self, study: Study) -> LineProgress:
        """Return a live table on a terminal, lines elsewhere; nothing where another command reports."""
        if not self._sums_up():
            return NoProgress(study)
        if not sys.stdout.isatty():
            return LineProgress(study)
        from optuna_sweep.live_table import TableProgress

        return TableProgress(study, self.suggester.name)

    def _dry_run(self) -> None:
        if study := find_study(self.suggester.place, self.suggester.name):
            self._identity().check(study)
        print_first_trials(self.suggester, self._study_directions(), self.fields["n_trials"], self._initial_points())

    def _identity(self) -> Identity:
        """Return what this command's trials are of; the application reads its part, such as the data, for it."""
        suggester = self.suggester
        config = self.load_config(self.config, list(suggester.space.fixed_overrides))
        enqueued = enqueued_points(self.fields["enqueue"], self.config, suggester.space.distributions)
        fixed = suggester.samplers.fixed(enqueued)
        own = fingerprint.of_study(config, suggester.space, application.registered(), fixed)
        names = application.registered().objectives(config)
        return Identity(displayed(suggester.place), self.directions, suggester.space.distributions, own, names)

    def _study_directions(self) -> list[StudyDirection]:
        return [StudyDirection[name.upper()] for name in self.directions]

    def _initial_points(self) -> list[dict[str, Any]]:
        distributions = self.suggester.space.distributions
        enqueued = enqueued_points(self.fields["enqueue"], self.config, distributions)
        return self.suggester.samplers.initial_points(enqueued)

    def _open(self) -> Study:
        """Open the study, or create it; check in its first process that this command is of it.

        What the fingerprint needs is read before, so that a study that cannot be is not created.
        """
        storage = open_storage(self._place(), float(self.fields["storage_seconds"]))
        identity = None if is_worker() else self._identity()
        initial_points = self._initial_points()
        max_trials = math.inf if self.suggester.custom else self.suggester.samplers.max_trials
        study = Study(
            storage,
            self.suggester.name,
            self._study_directions(),
            int(min(self.fields["n_trials"], max(max_trials, len(initial_points)))),
            self.fields["max_retries"],
            instantiate(accepted_arguments(self.fields["pruner"], "pruner")),
            initial_points,
            is_shared=self.is_shared,
        )
        if identity:
            identity.join(study)
        return study

    def _place(self) -> str:
        """Return the study's storage, or in a worker of the command that serves it its proxy."""
        if not self.fields["serve"] or not is_worker():
            return self.suggester.place
        from optuna_sweep.proxy_server import split_address

        return f"grpc://127.0.0.1:{split_address(self.fields['serve'])[1]}"

    def _work(self, study: Study, update: Callable[[], None] = lambda: None) -> None:
        """Run trials until none waits or a limit is reached; call `update` after each batch."""
        batch_size = 1 if self.is_in_process else self.fields["n_jobs"]
        runner = TrialRunner(study, self.suggester, self.launcher, batch_size, self.deferral)
        while not (reason := self.limits.reason(study)):
            if runner.run_batch():
                update()
            elif study.leases.recover():
                continue
            elif not study.awaits_others():
                return
            else:
                time.sleep(SHARED_POLL_SECONDS if study.is_shared else POLL_SECONDS)
        log.info(f"the sweep ends: {reason}")

    def _finish(self, study: Study, directory: Path) -> Any:
        name = self.suggester.name
        if not self._sums_up():
            log.info(f"study {name} has ended: {len(ended_trials(study))} of {study.n_trials} trials are done")
        else:
            write_summary(study, name, directory)
        reason = self.limits.failure_reason(study)
        best = study.best()
        if reason or not (best or study.trials(TrialState.PRUNED)):
            failed = study.trials(TrialState.FAIL)
            last = f"; the last: {failed[-1].user_attrs.get(ERROR, '')}" if failed else ""
            raise HydraException(f"study {name}: {reason or 'no trial completed'}{last}")
        values = [list(trial.values) for trial in best]
        return values[0][0] if len(self.directions) == 1 and values else values

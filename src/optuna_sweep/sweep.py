"""One sweep: this process's part of completing a study."""

import itertools
import logging
import math
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import optuna
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import HydraException
from hydra.types import HydraContext, TaskFunction
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from optuna.study import StudyDirection
from optuna.trial import Trial, TrialState

from optuna_sweep import space, validation, workers
from optuna_sweep.launcher import TRACEBACK, InProcessLauncher
from optuna_sweep.limits import Limits
from optuna_sweep.live_trial import PRUNED, LiveTrial
from optuna_sweep.location import displayed, name_and_place
from optuna_sweep.progress import start_progress
from optuna_sweep.sampling import Sampling, fitting
from optuna_sweep.storage import open_storage
from optuna_sweep.study import HEARTBEAT_SECONDS, OVERRIDES, Study
from optuna_sweep.summary import write_summary
from optuna_sweep.trial import is_worker, set_current
from optuna_sweep.workers import POLL_SECONDS

log = logging.getLogger(__name__)
OTHER_NAME_HINT = "take another hydra.sweeper.study_name"
BASIC = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"


class Sweep:
    """What ``OptunaSweeper.sweep`` does.

    Args:
        fields: of ``hydra.sweeper``.
        arguments: overrides of the command line.
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
        validation.check(fields)
        self.directions = validation.directions(fields)
        self.custom = validation.custom_search_space(fields)
        self.name, self.place = name_and_place(config.hydra)
        self.ends = Limits(fields)
        self.space = space.read(fields["params"] or {}, arguments)
        if not self.space.drawn and not self.custom:
            raise HydraException("hydra.sweeper.params: there is nothing to search; for example x: interval(0.0, 1.0)")
        self.sampling = Sampling(fields["sampler"], self.space.drawn)
        self.is_basic = config.hydra.launcher._target_ == BASIC
        self.launcher: Any = (
            InProcessLauncher(context, task, config)
            if self.is_basic
            else Plugins.instance().instantiate_launcher(hydra_context=context, task_function=task, config=config)
        )

    def run(self) -> Any:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        if self.fields["dry_run"]:
            return self._dry_run()
        self.study = self._open()
        if is_worker():
            workers.end_with_supervisor()
            with workers.terminable():
                self._work()
            return None
        self.study.prepare()
        with start_progress(self.study, self.name, displayed(self.place)) as progress, workers.terminable():
            if self.fields["n_jobs"] > 1 and self.is_basic:
                workers.supervise(self.study, self.fields["n_jobs"], Path(self.config.hydra.sweep.dir), progress.update)
            else:
                self._work(progress.update)
        return self._finish()

    def _open(self) -> Study:
        most = math.inf if self.custom else self.sampling.most
        study = Study(
            open_storage(self.place),
            self.name,
            [StudyDirection[name.upper()] for name in self.directions],
            int(min(self.fields["n_trials"], max(most, len(self.first_points)))),
            self.fields["max_retries"],
            instantiate(fitting(self.fields["pruner"], "pruner")),
            self.first_points,
        )
        held = [direction.name.lower() for direction in study.study.directions]
        if held != self.directions:
            place = f"study {self.name} in {displayed(self.place)}"
            raise HydraException(f"{place} has direction {held}, not {self.directions}; {OTHER_NAME_HINT}")
        for name, old, new in study.differences(self.space.drawn):
            raise HydraException(f"{name}: study {self.name} has {old} for it, not {new}; {OTHER_NAME_HINT}")
        return study

    # ---- trials

    def _work(self, update: Any = lambda: None) -> None:
        """Run trials until none waits, or another end is reached."""
        while not (reason := self.ends.reason(self.study)):
            if self._run(1 if self.is_basic else self.fields["n_jobs"]):
                update()
            elif self.study.is_unclear():
                time.sleep(POLL_SECONDS)
            elif not self.study.recover():
                return
        log.info(f"the sweep ends: {reason}")

    def _claim(self, count: int) -> Iterator[Trial]:
        for _ in range(count):
            if trial := self.study.claim(self.sampling.first):
                yield trial

    def _run(self, count: int) -> int:
        """Claim so many trials and run them; how many there were."""
        batch: list[Trial] = []
        try:
            for trial in self._claim(count):
                batch.append(trial)
            overrides = [self._overrides(trial) for trial in batch]
            live = LiveTrial(batch[0]) if batch and self.is_basic else None
            with self._signs_of_life(batch):
                set_current(live)
                try:
                    returns = self._launch([trial.number for trial in batch], overrides)
                finally:
                    set_current(None)
            for trial, returned in zip(batch, returns, strict=True):
                self._tell(trial, returned, live)
        except BaseException:  # Ctrl-C, SIGTERM, or a bug: the trials wait for the next command
            for trial in batch:
                self.study.give_back(trial._trial_id)
            raise
        return len(batch)

    def _launch(self, numbers: list[int], overrides: list[list[str]]) -> list[JobReturn]:
        """Launchers number jobs without a gap; so those with gaps are several launches."""
        starts = [at for at, number in enumerate(numbers) if at == 0 or number != numbers[at - 1] + 1]
        parts = itertools.pairwise([*starts, len(numbers)])
        return [
            returned
            for start, end in parts
            for returned in self.launcher.launch(overrides[start:end], initial_job_idx=numbers[start])
        ]

    def _overrides(self, trial: Trial) -> list[str]:
        self.study.study.sampler = self.sampling(trial.number)
        try:
            for name, distribution in self.space.drawn.items():
                trial._suggest(name, distribution)
        except ImportError as error:  # some samplers stand on packages that Optuna does not bring
            raise HydraException(f"hydra/sweeper/sampler: {str(error).splitlines()[0]}") from error
        if self.custom:
            self.custom(self.config, trial)
        overrides = self.space.overrides(trial.params)
        trial.set_user_attr(OVERRIDES, overrides)
        if again := self.study.attempt(trial):
            trial.set_user_attr(PRUNED, False)  # what its first attempt was told is void
            overrides.append(f"hydra.sweep.subdir={trial.number}_retry_{again}")
        if not self.is_basic:
            place = "" if "://" in self.place else f",storage:{space.quoted(self.place)}"  # an URL may hold a password
            overrides.append(f"hydra.sweeper.trial={{study:{space.quoted(self.name)},number:{trial.number}{place}}}")
        return overrides

    def _tell(self, trial: Trial, returned: JobReturn, live: LiveTrial | None) -> None:
        pruned = self.study.storage.get_trial(trial._trial_id).user_attrs.get(PRUNED, False)
        if returned.status == JobStatus.COMPLETED and not pruned:
            values, error = validation.returned_values(returned.return_value, len(self.directions))
            self.study.tell(trial, TrialState.FAIL if error else TrialState.COMPLETE, values, error)
            self._warn_of_silence(live)
            return
        raised = returned._return_value
        if pruned or isinstance(raised, optuna.TrialPruned):
            self.study.tell(trial, TrialState.PRUNED)
        else:
            self.study.tell(trial, TrialState.FAIL, error=f"{type(raised).__name__}: {raised}")
            log.warning(f"trial {trial.number} failed: {type(raised).__name__}: {raised}{self._where(returned)}")

    def _where(self, returned: JobReturn) -> str:
        """Where the traceback lies."""
        config: Any = returned.hydra_cfg
        path = Path(config.hydra.runtime.output_dir, TRACEBACK) if self.is_basic else None
        return f"; see {path}" if path else ""

    def _warn_of_silence(self, live: LiveTrial | None) -> None:
        silent = live is not None and not live.reports
        if silent and not isinstance(self.study.study.pruner, optuna.pruners.NopPruner):
            log.warning(
                "the task reports no values, so that nothing can be pruned:"
                " optuna_sweep.trial.current_trial().report(value, step)"
            )

    @contextmanager
    def _signs_of_life(self, batch: Sequence[Trial]) -> Iterator[None]:
        ended = threading.Event()

        def touch() -> None:
            while not ended.wait(HEARTBEAT_SECONDS):
                for trial in batch:
                    with suppress(Exception):  # it has just ended, or the storage is away for a moment
                        self.study.touch(trial._trial_id, self.study.attempt(trial))

        thread = threading.Thread(target=touch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    # ---- the end

    def _finish(self) -> Any:
        write_summary(self.study, self.name, Path(self.config.hydra.sweep.dir))
        reason = self.ends.failures(self.study)
        best = self.study.best()
        if reason or not (best or self.study.trials(TrialState.PRUNED)):
            failed = self.study.trials(TrialState.FAIL)
            last = f"; the last: {failed[-1].user_attrs.get('error', '')}" if failed else ""
            raise HydraException(f"study {self.name}: {reason or 'no trial completed'}{last}")
        values = [list(trial.values) for trial in best]
        return values[0][0] if len(self.directions) == 1 and values else values

    # ---- before the first trial

    @cached_property
    def first_points(self) -> list[dict[str, Any]]:
        """What the first trials take."""
        known = [self._default() if point == "default" else self._known(point) for point in self.fields["enqueue"]]
        return self.sampling.first_points(known)

    def _default(self) -> dict[str, Any]:
        """What the config holds, where the space has it."""
        groups = self.config.hydra.runtime.choices
        held = {name: groups.get(name, OmegaConf.select(self.config, name)) for name in self.space.drawn}
        stored = {name: space.stored(value) for name, value in held.items()}
        return {name: value for name, value in stored.items() if space.contains(self.space.drawn[name], value)}

    def _known(self, point: Mapping[str, Any]) -> dict[str, Any]:
        stored = {str(name): space.stored(value) for name, value in point.items()}
        for name, value in stored.items():
            if name not in self.space.drawn or not space.contains(self.space.drawn[name], value):
                raise HydraException(
                    f"hydra.sweeper.enqueue: {name}={value} lies outside of {self.space.drawn.get(name)}"
                )
        return stored

    def _dry_run(self) -> None:
        directions = [StudyDirection[name.upper()] for name in self.directions]
        nothing = optuna.pruners.NopPruner()
        self.study = Study(optuna.storages.InMemoryStorage(), self.name, directions, 5, 0, nothing, self.first_points)
        self.study.prepare()
        print(f"study {self.name} in {displayed(self.place)}: {self.fields['n_trials']} trials")
        for name, drawn in self.space.drawn.items():
            print(f"    {name}: {drawn}")
        while trial := self.study.claim(self.sampling.first):
            print(f"trial {trial.number}: {' '.join(self._overrides(trial))}")
            self.study.tell(trial, TrialState.FAIL, error="dry run")

"""What a command of ``train.py`` runs, and how that ended."""

import logging
import os
import sys
import time
import traceback
from dataclasses import asdict
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from optuna_sweep.trial import current_trial, is_worker
from trialmaker.analysis.training_command import SINGLE_RUN
from trialmaker.cli import mistakes
from trialmaker.config import incidental, validation
from trialmaker.config.arguments import hydra_errors, translation
from trialmaker.config.arguments.output import requested_output
from trialmaker.config.differences import Difference
from trialmaker.config.schema import Config
from trialmaker.errors import StudyError, UserError, one_line, printable
from trialmaker.experiment import run_header, running_study
from trialmaker.experiment.context import RunContext, reason_to_withhold
from trialmaker.experiment.instances import shared_study, trial_handover
from trialmaker.experiment.instances.job import Job
from trialmaker.experiment.output_page.page import write_refusal_page
from trialmaker.experiment.run_name import data_name, run_differences, run_name
from trialmaker.platform import paths, redaction, result_files, watchdog
from trialmaker.platform.printable_stream import printable_lines
from trialmaker.platform.redaction import without_password
from trialmaker.platform.run_result import RunResult
from trialmaker.platform.signals import BEFORE_TRAINING, Signals, Stopped

log = logging.getLogger(__name__)

# Flags with which nothing is run.
INSPECTION_FLAGS = {"--help", "-h", "--hydra-help", "--cfg", "-c", "-i", "--shell-completion", "-sc"}


class TrainOutcome:
    """What one command runs, a run or those of a multirun, and how that ended.

    Attributes:
        code: the exit code so far.
        directories: of its runs.
        outputs: those of its runs, with a line on the result of each run; empty as long as none has begun.
    """

    def __init__(self, started: float, signals: Signals, argv: list[str]) -> None:
        self.started, self.signals, self.argv = started, signals, argv
        self.process_id = os.getpid()
        self.code = 0
        self.causes: list[str] = []
        self.details = ""
        self.outputs: dict[Path, list[str]] = {}
        self.run_count = 0  # of plain runs
        self.directories: list[Path] = []  # of all runs
        self.context: RunContext | None = None  # of the run that goes on
        self.job = Job()
        signals.fail_now = self.fail_now

    def run(self, composed: DictConfig) -> float | list[float] | None:
        """Run one config, of the command or of a multirun.

        Returns:
            the best value of the objective, which a sweeper optimizes, of several objectives a list; None for a run
            that ended with an error.
        """
        self.signals.reset()
        if os.getppid() == self.process_id:  # in a process of a launcher such as joblib's
            watchdog.stop_with_parent(self.process_id)
        if HydraConfig.get().job.chdir:
            os.chdir(HydraConfig.get().runtime.cwd)  # where relative paths were meant, in the config and in addresses
        self.context = context = self._new_context()
        redaction.hide_passwords(context.directory / ".hydra")
        try:
            with trial_handover.handed_over(context):
                values = self._start(validation.load(composed), context)
            self._note_result(context)
            return values[0] if len(values) == 1 else values or None
        except Exception as error:
            self.signals.raise_if_received()
            place = mistakes.gone(context.directory) or mistakes.no_space(error, self.outputs)
            if context.is_trial and place:
                raise StudyError(place) from error
            mistake = place or mistakes.explain(error, self.outputs)
            if mistake is None or context.is_trial:
                raise  # a bug; the sweep goes on, and notes why this trial did not
            if context.team:
                raise StudyError(mistake) from error  # the other instances wait in the midst of the run
            self._refuse(mistake)  # and the next run of a multirun begins
        finally:
            self.directories.append(context.directory)
            self.context = None
            self.started = time.monotonic()  # when the next run of a multirun starts
        return None

    def _new_context(self) -> RunContext:
        config = HydraConfig.get()
        trial = current_trial()
        is_of_study_file = trial.number is not None or bool(config.runtime.choices.get("sweeps"))
        words = [*config.overrides.task, *([SINGLE_RUN] if is_of_study_file else [])]
        command = without_password(translation.command_line(incidental.common_words(words)))
        result = RunResult(command, study=trial.study, trial=trial.number)
        withheld, directory = reason_to_withhold(config.runtime.choices.get("debug")), Path(config.runtime.output_dir)
        return RunContext(directory, trial, self.started, self.signals, result, withheld=withheld)

    def _start(self, config: Config, context: RunContext) -> list[float]:
        from trialmaker.experiment import startup
        from trialmaker.experiment.instances import decision
        from trialmaker.experiment.resume import identity, opening, search

        changes = self._note_identity(config, context)
        output = Path(config.output).absolute()
        context.versions = identity.versions(config)
        if not context.is_trial:
            self.job.enter(config, context)
        if not context.is_recorded:
            return self.job.assist(config, context)
        self.outputs.setdefault(output, [])
        if not context.is_trial:
            self.run_count += 1
            result_files.prepare_result(output)
            mistakes.check_space(output)
        is_alone = HydraConfig.get().mode == RunMode.RUN
        if resumption := search.find(config, context, is_alone=is_alone, but=self.directories):
            context.go_on_with(resumption)
            for line in opening.opening_lines(resumption, config.training.epochs):
                log.info(line)
        if context.team:
            begin = decision.packed(resumption)
            context.team.begin_run(context.directory, decision.compared(config, context), begin)
        self.job.log_lines()
        if not context.is_trial:
            context.page.begin()
            if not (resumption and resumption.snapshot):
                run_header.log_lines(asdict(config), context.result.command, changes)
        try:
            return startup.start_run(config, context)
        except BaseException:
            if not context.is_trial:
                result_files.release_reserve(output)
            raise

    def _note_identity(self, config: Config, context: RunContext) -> list[Difference]:
        """Note in the result what the run is; return what its config has that its defaults have not."""
        result, trial = context.result, context.trial
        changes = [] if context.is_trial else run_differences(config, HydraConfig.get().runtime)
        result.data = data_name(config)
        result.objective, result.note, result.tags = config.objective, config.note or "", dict(config.tags)
        job = HydraConfig.get().job.num if HydraConfig.get().mode == RunMode.MULTIRUN else None
        swept = translation.swept_names(sys.argv[1:]) if job is not None and not context.is_trial else ()
        result.name = run_name(config, changes, study=trial.study, trial=trial.number, job=job, swept=swept)
        words = HydraConfig.get().overrides.task if context.is_trial else map(str, changes)
        result.differences = [without_password(word) for word in words]
        context.page.config = config
        return changes

    def explain(self, error: Exception, argv: list[str]) -> None:
        """Note an exception, and print it: a person's mistake a line each, a bug with its traceback."""
        if self.signals.received is not None:  # what fails after a signal fails because of it
            self.stop(Stopped(self.signals.received, self.signals.where))
        elif isinstance(error, HydraException | OmegaConfBaseException):  # some are OSErrors too
            self._refuse(mistakes.no_space(error, self.outputs) or hydra_errors.explain(error, argv))
        elif mistake := mistakes.explain(error, self.outputs):
            self._refuse(mistake)
        else:
            cause = one_line(f"{type(error).__name__}: {error}")
            self.fail(1, cause, details="".join(traceback.format_exception(error)))

    def stop(self, stopped: Stopped) -> None:
        """Note the end by a signal; of a study, how many trials there were."""
        if (progress := running_study.progress_text()) and self.signals.received is not None:
            is_within = self.signals.where != BEFORE_TRAINING
            where = f"{progress}; the next {self.signals.where}" if is_within else progress
            stopped = Stopped(self.signals.received, where)
        self.fail(stopped.exit_code, f"{stopped}{_way_on(self.signals.where)}")

    def fail(self, code: int, *causes: str, details: str = "") -> None:
        """Note why the command failed, and print it on standard error."""
        self.code = code
        self.causes += causes
        self.details += details
        lines = "".join(f"train.py: {printable(cause)}\n" for cause in causes if not details)
        print(printable_lines(details) + lines, end="", file=sys.stderr)

    def leave_result(self) -> None:
        """Write ``success`` or ``failure``, for whoever looks at the output alone."""
        if {word.partition("=")[0] for word in self.argv} & INSPECTION_FLAGS or is_worker() or shared_study.is_other():
            return
        if not self.job.keeps_results:
            return
        is_dry_run = not self.outputs and not self.code
        causes = [cause.removeprefix("error: ") for cause in self.causes]
        is_alone = self.run_count == 1 and not any(self.outputs.values())
        is_told = is_alone or running_study.is_running()  # by the page of the run, or of the study
        if self.code:
            running_study.end("failed" if self.signals.received is None else "stopped", message="; ".join(causes))
        for output in self.outputs or ({} if is_dry_run else {requested_output(self.argv)}):
            if not self.code:
                self._leave_success(output)
                continue
            result_files.write_failure(output, "\n".join(causes), self.details)
            if not is_told:
                write_refusal_page(output, without_password(translation.command_line(self.argv)), "; ".join(causes))

    def _leave_success(self, output: Path) -> None:
        try:
            result_files.write_success(output, "\n".join(self.outputs.get(output, [])))
        except OSError as error:  # all else of the run is there
            print(f"train.py: {output / 'success'}: {error.strerror}; the command has finished", file=sys.stderr)

    def _note_result(self, context: RunContext) -> None:
        if context.is_recorded and not context.is_trial and context.page.config:
            line = f"{context.result.name}: {context.result}"
            self.outputs[Path(context.page.config.output).absolute()].append(line)

    def leave_job(self) -> None:
        """End this instance's part in its job; it ends as the first instance does, unless it has failed itself."""
        try:
            code, cause = self.job.close(self.code, self.causes)
        except Stopped as stopped:
            self.stop(stopped)
            return
        if code and not self.code:
            self.fail(code, f"error: {cause}" if cause else f"the first instance ended with exit code {code}")

    def fail_now(self, cause: str) -> None:
        """Leave ``failure``, and the run's result, when the process ends at once."""
        self.code, self.causes = 1, [cause]
        self.leave_result()
        if self.context:
            self.context.result.status, self.context.result.message = "stopped", cause
            self.context.write_result()

    def _refuse(self, error: UserError) -> None:
        self.fail(error.exit_code, *(f"error: {printable(mistake)}" for mistake in error.mistakes))


def _way_on(where: str) -> str:
    """Return how to go on after a stop, with a ``;`` before it; "" for one before the training."""
    if where == BEFORE_TRAINING:
        return ""
    if paths.is_on_platform():
        return "; a job with this output as its input file resume goes on from there"
    return "; the same command goes on from there"

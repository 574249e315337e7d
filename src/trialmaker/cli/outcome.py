"""What a command of ``train.py`` runs, and how that ended."""

import errno
import logging
import sys
import time
import traceback
from dataclasses import asdict
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from optuna_sweep.trial import current_trial, is_worker
from trialmaker.config import validation
from trialmaker.config.arguments import translation
from trialmaker.config.schema import Config
from trialmaker.errors import UserError
from trialmaker.experiment import run_header
from trialmaker.platform import instances, paths, redaction, result_files
from trialmaker.platform.signals import Signals, Stopped

log = logging.getLogger(__name__)

# What goes wrong when a person names an output that cannot be one. ENOENT is not among them: that may be a bug.
OUTPUT_ERRORS = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOSPC}
INSPECTION_FLAGS = {
    "--help",
    "-h",
    "--hydra-help",
    "--cfg",
    "-c",
    "-i",
    "--shell-completion",
    "-sc",
}  # flags: nothing is run


class TrainOutcome:
    """What one command runs, a run or those of a multirun, and how that ended.

    Attributes:
        code: the exit code so far.
        outputs: those of its runs; of none as long as none has begun.
    """

    def __init__(self, started: float, signals: Signals, typed: list[str]) -> None:
        self.started, self.signals, self.typed = started, signals, typed
        self.code = 0
        self.causes: list[str] = []
        self.details = ""
        self.outputs: set[Path] = set()
        signals.fail_now = self.fail_now

    def run(self, composed: DictConfig) -> float | list[float] | None:
        """One run. Its value, the best objective, is what a sweeper optimizes; None for one with a mistake."""
        from trialmaker.experiment import startup

        self.signals.reset()
        directory = Path(HydraConfig.get().runtime.output_dir)
        redaction.hide_passwords(directory / ".hydra")
        try:
            checked = validation.load(composed)
            self._begin(checked)
            values = startup.start_run(checked, run_directory=directory, started=self.started, signals=self.signals)
            return values[0] if len(values) == 1 else values
        except (UserError, OSError) as error:  # Hydra would call an exception a bug of the job
            self.signals.raise_if_received()
            if isinstance(error, OSError) and error.errno not in OUTPUT_ERRORS:
                raise
            if current_trial().number is not None:
                raise  # the sweep goes on, and notes why this trial did not
            self.explain(error, [])
        finally:
            self.started = time.monotonic()  # when the next run of a multirun starts
        return None  # and the next run of a multirun begins

    def _begin(self, checked: Config) -> None:
        output = Path(checked.output).absolute()
        self.outputs.add(output)
        if not is_worker():
            result_files.clear_result(output)
        instances.check_supported()
        command = translation.command_line(HydraConfig.get().overrides.task)
        if current_trial().number is None:
            for line in run_header.lines(asdict(checked), command):
                log.info(line)

    def explain(self, error: Exception, argv: list[str]) -> None:
        """Note an exception, and tell it: a person's mistake a line each, a bug with its traceback."""
        if self.signals.received is not None:  # what fails after a signal fails because of it
            stopped = Stopped(self.signals.received, self.signals.where)
            self.fail(stopped.exit_code, str(stopped))
        elif isinstance(error, UserError):
            self._refuse(error)
        elif isinstance(error, HydraException | OmegaConfBaseException):
            self._refuse(translation.explain(error, argv))
        elif isinstance(error, OSError) and (not self.outputs or error.errno in OUTPUT_ERRORS):
            self._refuse(self._unusable(error))
        else:
            cause = " ".join(f"{type(error).__name__}: {error}".split())
            self.fail(1, cause, details="".join(traceback.format_exception(error)))

    def fail(self, code: int, *causes: str, details: str = "") -> None:
        """Note why, and tell it on standard error."""
        self.code = code
        self.causes += causes
        self.details += details
        print(details + "".join(f"train.py: {cause}\n" for cause in causes if not details), end="", file=sys.stderr)

    def leave_result(self) -> None:
        """``success`` or ``failure``, for whoever looks at the output alone."""
        if {word.partition("=")[0] for word in self.typed} & INSPECTION_FLAGS or is_worker():
            return
        nothing_ran = not self.outputs and not self.code  # a dry run
        for output in self.outputs or ({} if nothing_ran else {self._meant_output()}):
            if self.code:
                causes = (cause.removeprefix("error: ") for cause in self.causes)
                result_files.write_failure(output, "\n".join(causes), self.details)
            else:
                result_files.write_success(output)

    def fail_now(self, cause: str) -> None:
        """Leave ``failure`` when the process ends at once."""
        self.code, self.causes = 1, [cause]
        self.leave_result()

    def _refuse(self, error: UserError) -> None:
        self.fail(error.exit_code, *(f"error: {_one_line(mistake)}" for mistake in error.mistakes))

    def _meant_output(self) -> Path:
        """Where a run would have written, as far as the words tell that none has understood."""
        for word, following in zip(self.typed, [*self.typed[1:], ""], strict=True):
            name, equals, value = word.lstrip("-").partition("=")
            if name == "output" and (value if equals else following):
                return Path(value if equals else following).absolute()
        return paths.root() / "output"

    def _unusable(self, error: OSError) -> UserError:
        place = Path(str(error.filename))
        inputs = paths.root() / "input"
        law = "the output must be a folder that can be written to"
        law = "it must be readable" if place.is_relative_to(inputs) else law
        return UserError(f"{error.filename}: {error.strerror}: {law}")


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)

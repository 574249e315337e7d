"""What a run is given beside its config."""

import logging
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from optuna_sweep.trial import CurrentTrial
from trialmaker.errors import UserError, one_line
from trialmaker.experiment.output_page.page import RunPage
from trialmaker.platform.bilingual_texts import SEPARATOR
from trialmaker.platform.failure_causes import chinese_cause
from trialmaker.platform.log_file import move_log_file
from trialmaker.platform.meeting.connection_guard import CAUSE
from trialmaker.platform.redaction import without_password
from trialmaker.platform.run_result import NO_SPACE, RESULT_FILE, UNPUBLISHED, RunResult
from trialmaker.platform.signals import Signals, Stopped
from trialmaker.platform.system_errors import is_lack_of_space

log = logging.getLogger(__name__)

if TYPE_CHECKING:  # which imports NumPy
    from trialmaker.experiment.instances.team import Team
    from trialmaker.experiment.resume.resumption import Resumption
    from trialmaker.training.snapshot import Snapshot


def reason_to_withhold(debug: str | None) -> str:
    """Return why a run's model is not published; "" if it is.

    Args:
        debug: the choice of the config group, or None.
    """
    return f"debug={debug} publishes nothing" if debug else os.environ.get(UNPUBLISHED, "")


@dataclass
class RunContext:
    """What a run is given beside its config.

    Args:
        directory: Hydra's, for what belongs to this run alone; of a run that goes on, the earlier one.
        trial: the study's trial that the run is, or the no-op trial.
        started: ``time.monotonic()`` from which ``training.max_seconds`` counts.
        signals: those that the process received.
        result: filled in by the run; ``recorded`` writes it.
        notes: called before the result is written; each fills in what is known by then.
        withheld: why the run's model is not published; "" if it is.
        versions: of what its results depend on beside config and data, by name: see ``resume.identity``.
        resumption: the interrupted run that this one goes on with; None where it begins.
        precision: that the run was begun in; "" where this process decides.
        run_key: a random name of the run, which all its attempts share.
        has_trained: whether this attempt has made a step.
        team: the instances that train it together; None for one alone.
        is_recorded: whether this process keeps the run's record: not at another instance than the first.
    """

    directory: Path
    trial: CurrentTrial
    started: float
    signals: Signals
    result: RunResult
    notes: list[Callable[[], None]] = field(default_factory=list)
    withheld: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    resumption: "Resumption | None" = None
    precision: str = ""
    run_key: str = field(default_factory=lambda: uuid.uuid4().hex)
    has_trained: bool = False
    team: "Team | None" = None
    is_recorded: bool = True

    def go_on_with(self, resumption: "Resumption") -> None:
        """Make this run the next attempt of an interrupted one, in its directory."""
        fresh, self.directory = self.directory, resumption.directory
        self.resumption, self.run_key, self.precision = resumption, resumption.run_key, resumption.precision
        self.result.started_at, self.result.attempts = resumption.run.started_at, resumption.run.attempts + 1
        self.signals.where = "before it went on"
        move_log_file(fresh, self.directory, resumption.log_size)

    def note_training(self, _: object = None) -> None:
        """Note that the training makes steps; a run that goes on has no result from here on, until it has its own."""
        if not self.has_trained:
            self.has_trained = True
            (self.directory / RESULT_FILE).unlink(missing_ok=True)

    @property
    def snapshot(self) -> "Snapshot | None":
        """Return the checkpoint that the run goes on from; None where it begins."""
        return self.resumption.snapshot if self.resumption else None

    @property
    def spent_seconds(self) -> float:
        """Return how long earlier attempts of the run took together."""
        return self.resumption.run.spent_seconds if self.resumption else 0.0

    @cached_property
    def page(self) -> RunPage:
        """Return the page of the output, which is written with the result."""
        return RunPage(self.result)

    @property
    def is_trial(self) -> bool:
        """Return whether the run is the trial of a study."""
        return self.trial.number is not None

    @property
    def log_level(self) -> int:
        """Return the level of lines that all trials of a study would repeat."""
        return logging.DEBUG if self.is_trial else logging.INFO

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Leave ``result.json`` in the run's directory, however the run inside ends."""
        try:
            yield
        except BaseException as error:
            self.fail(error)
            raise
        finally:
            self.write_result()
            if self.resumption:
                self.resumption.claim.close()

    def fail(self, error: BaseException) -> None:
        """Note why the run did not finish. What fails after a signal fails because of it."""
        if self.signals.received is not None:
            error = Stopped(self.signals.received, self.signals.where)
        self.result.status = "failed" if isinstance(error, Exception) else "stopped"
        text = "; ".join(error.mistakes) if isinstance(error, UserError) else error
        self.result.message = without_password(one_line(text))
        if isinstance(error, Exception) and is_lack_of_space(error):
            self.result.ended_by = NO_SPACE

    def records_of_kill(self, output: Path) -> dict[Path, str]:
        """Return what says how the run ended, should its process be killed, by file, with ``CAUSE`` for the reason.

        Args:
            output: that of the config.
        """
        records = {output / "failure": f"{CAUSE}{SEPARATOR}{chinese_cause('not_connected')}\n"}
        if not self.resumption:  # else the run is as it was left
            records[self.directory / RESULT_FILE] = replace(self.result, status="stopped", message=CAUSE).text()
        return records

    def write_result(self) -> None:
        """Write the result as it stands. An output that can't be written to has no such file."""
        if not self.is_recorded:
            return
        for note in self.notes:
            note()
        self.result.seconds = round(self.spent_seconds + time.monotonic() - self.started, 3)
        if self.has_trained or not self.resumption:  # else the run is as it was left
            try:
                self.result.write(self.directory)
            except OSError as error:
                if self.result.status == "finished":  # else the run itself says what is wrong
                    log.warning(f"{self.directory / RESULT_FILE}: {error.strerror}; the run has finished without it")
        if not self.is_trial:
            self.page.write(is_running=False)

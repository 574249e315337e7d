"""What a run is given beside its config."""

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from optuna_sweep.trial import CurrentTrial
from trialmaker.errors import one_line
from trialmaker.experiment.output_page.page import RunPage
from trialmaker.platform.redaction import without_password
from trialmaker.platform.run_result import UNPUBLISHED, RunResult
from trialmaker.platform.signals import Signals, Stopped


def reason_to_withhold(debug: str | None) -> str:
    """Return why a run's model is not published; "" if it is.

    Args:
        debug: the choice of the config group, or None.
    """
    return f"debug={debug} publishes nothing" if debug else os.environ.get(UNPUBLISHED, "")


@dataclass(frozen=True)
class RunContext:
    """What a run is given beside its config.

    Args:
        directory: Hydra's, for what belongs to this run alone.
        trial: the study's trial that the run is, or the no-op trial.
        started: ``time.monotonic()`` from which ``training.max_seconds`` counts.
        signals: those that the process received.
        result: filled in by the run; ``recorded`` writes it.
        notes: called before the result is written; each fills in what is known by then.
        withheld: why the run's model is not published; "" if it is.
    """

    directory: Path
    trial: CurrentTrial
    started: float
    signals: Signals
    result: RunResult
    notes: list[Callable[[], None]] = field(default_factory=list)
    withheld: str = ""

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

    def fail(self, error: BaseException) -> None:
        """Note why the run did not finish. What fails after a signal fails because of it."""
        if self.signals.received is not None:
            error = Stopped(self.signals.received, self.signals.where)
        self.result.status = "failed" if isinstance(error, Exception) else "stopped"
        self.result.message = without_password(one_line(error))

    def write_result(self) -> None:
        """Write the result as it stands. An output that can't be written to has no such file."""
        for note in self.notes:
            note()
        self.result.seconds = round(time.monotonic() - self.started, 3)
        with suppress(OSError):
            self.result.write(self.directory)
        if not self.is_trial:
            self.page.write(is_running=False)

"""The instances of the job that a command runs in, and what each of them does of its runs."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from trialmaker.config.run_schema import IGNORE
from trialmaker.config.schema import Config
from trialmaker.errors import UserError
from trialmaker.experiment.context import RunContext
from trialmaker.platform import result_files
from trialmaker.platform.console import FILE_LOGGER
from trialmaker.platform.instances import ALONE, Instances, find_instances

if TYPE_CHECKING:
    from trialmaker.experiment.instances.team import Team

log = logging.getLogger(__name__)


def of_job(config: Config) -> Instances:
    """Return the instances that the job has; one where they are to be ignored, and it is unclear which there are.

    Raises:
        UserError: it is unclear which there are, or which of them this is.
    """
    with suppress(*([UserError] if config.instances == IGNORE else [])):
        return find_instances(index=config.training.instance_index)
    return ALONE


class Job:
    """The part of this process in the runs of a command; a study's trials are no such runs.

    Attributes:
        keeps_results: whether this process leaves results: at the first instance alone.
        team: the instances that train together; None where this one trains alone.
    """

    def __init__(self) -> None:
        self.keeps_results = True
        self.lines: list[str] = []
        self.said: set[str] = set()
        self.team: Team | None = None

    def enter(self, config: Config, context: RunContext) -> None:
        """Find out what this process does of a run, and wait for the other instances before the first one.

        Raises:
            UserError: it is unclear which instances there are.
            StudyError: one has not come, or has another command.
        """
        instances = of_job(config)
        if not instances.is_several:
            return
        if instances.line() not in self.said:  # by an earlier run of the command
            self._say(instances.line())
        context.is_recorded = self.keeps_results = instances.is_chief
        if config.instances == IGNORE:
            return
        if instances.is_chief:
            result_files.clear_result(Path(config.output).absolute())
        if self.team is None:
            from trialmaker.experiment.instances.team import Team

            team = Team(instances, seconds=config.training.instances_seconds)
            team.join()
            self.team = team
            self._say(f"all {len(instances.members)} instances are there", is_shown=instances.is_chief)
        context.team = self.team

    def _say(self, text: str, *, is_shown: bool = True) -> None:
        """Print a line now, and keep it for the log: a run that goes on has another log than it seems by now."""
        if is_shown:
            print(text, flush=True)
        self.lines.append(text)
        self.said.add(text)

    def log_lines(self) -> None:
        """Write to the log what has been printed before it was known which log that is."""
        while self.lines:
            logging.getLogger(FILE_LOGGER).info(self.lines.pop(0))

    def assist(self, config: Config, context: RunContext) -> list[float]:
        """Do what another instance than the first does of a run; return the objective's best value, if it trains."""
        self.log_lines()
        if context.team is None:
            log.info("instances=ignore: the first instance trains alone; this one has nothing to do")
            return []
        from trialmaker.experiment.instances import assistant

        return assistant.assist(config, context, context.team)

    def close(self, code: int, causes: Sequence[str]) -> tuple[int, str]:
        """End this instance's part, when the command has ended; all but the first wait for the first one's end.

        Returns:
            the exit code, and why the first instance failed, where this one did not.
        """
        reason = "; ".join(cause.removeprefix("error: ") for cause in causes)
        return self.team.close(code, reason) if self.team else (code, "")

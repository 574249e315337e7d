"""The best run of each section: its numbers, how it differs, the command that repeats it, and how to deploy it."""

import shlex
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trialmaker.analysis.query import NOTE_TAG
from trialmaker.analysis.run_table import cell_text
from trialmaker.analysis.sections import Difference, Section, unlike_most
from trialmaker.analysis.store.outputs import Output
from trialmaker.analysis.store.runs import TEST_METRIC, Run
from trialmaker.analysis.training_command import SINGLE_RUN
from trialmaker.config.arguments.translation import command_line
from trialmaker.config.received import check_overrides, split_overrides
from trialmaker.errors import UserError
from trialmaker.platform import paths
from trialmaker.platform.redaction import without_password
from trialmaker.platform.run_result import RunResult, run_results

MAX_NOTE = 160  # characters
RERUN = ("python", "-m", "trialmaker", "rerun")  # for a run that left no result.json here


@dataclass(frozen=True)
class Headline:
    """What a reader wants to know first about a section.

    Args:
        section: the section.
        run: its best run.
        metrics: its numbers by name, the objective first.
        differences: the parameters in which it differs from most others.
        command: repeats it.
        deployment: serves its model; "" where its model is not published.
        note: what its person wrote about it, on one line, shortened.
    """

    section: Section
    run: Run
    metrics: Mapping[str, float]
    differences: Sequence[Difference]
    command: str
    deployment: str
    note: str = ""

    @property
    def is_rerun(self) -> bool:
        """Return whether ``command`` is ``rerun``, which publishes no model."""
        return self.command.startswith(shlex.join(RERUN))


def headlines(
    sections: Iterable[Section], outputs: Mapping[str, Output], models: Mapping[str, Path], places: Sequence[Path]
) -> list[Headline]:
    """Return the headline of each section that has a best run.

    Args:
        sections: the sections.
        outputs: the outputs by label.
        models: the folder of a run's published model by the run's id.
        places: the places that the person named, for the command that repeats a run whose own is not known.
    """
    best_runs = [(section, run) for section in sections if (run := section.best)]
    commands = _commands([run for _, run in best_runs], outputs)
    return [
        Headline(
            section,
            run,
            _metrics(run),
            unlike_most(run, section),
            commands.get(run.run_id) or shlex.join([*RERUN, run.run_id[:8], *map(str, places)]),
            _deployment(models.get(run.run_id)),
            textwrap.shorten(cell_text(run.tags.get(NOTE_TAG)), MAX_NOTE, placeholder=" …"),
        )
        for section, run in best_runs
    ]


def _metrics(run: Run) -> dict[str, float]:
    metrics = {run.objective.name: run.best, TEST_METRIC: run.metrics.get(TEST_METRIC)}
    return {name: value for name, value in metrics.items() if value is not None}


def _commands(runs: Sequence[Run], outputs: Mapping[str, Output]) -> dict[str, str]:
    """Return the command of each run that left its result in its output, by MLflow's id of the run."""
    labels = {run.output for run in runs if run.output in outputs}
    results = (result for label in labels for _, result in run_results(outputs[label].directory))
    by_run = {result.mlflow_run_id: result for result in results}
    commands = {run.run_id: _command(by_run[run.run_id]) for run in runs if run.run_id in by_run}
    return {run_id: command for run_id, command in commands.items() if command}


def _command(result: RunResult) -> str:
    """Return the command that repeats a run here; "" for one that does more than to set the config's own fields.

    Whoever made the output wrote it, and the reader is to copy it. Of a trial, it leaves its study out.
    """
    programs = [one for one in paths.TRAIN_COMMANDS if f"{result.command} ".startswith(f"{one} ")]
    if not programs:
        return ""
    try:
        words = shlex.split(result.command.removeprefix(programs[0]))
        kept, _ = split_overrides([word for word in words if word != SINGLE_RUN])
        check_overrides(kept, "")
    except (ValueError, UserError):
        return ""
    is_single = result.trial is not None or SINGLE_RUN in result.command
    return without_password(command_line([*kept, *([SINGLE_RUN] if is_single else [])]))


def _deployment(model: Path | None) -> str:
    if model is None:
        return ""
    here = Path.cwd()
    path = model.relative_to(here) if model.is_relative_to(here) else model
    return shlex.join([*paths.serve_command().split(), "--model-dir", str(path)])

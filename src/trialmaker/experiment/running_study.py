"""The study that this process runs: the page of its output, and the line on its result."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from trialmaker.config.differences import Difference
from trialmaker.config.schema import Config
from trialmaker.experiment.output_page.folder import all_results, trials_of
from trialmaker.experiment.output_page.page import data_sizes, write_study_page
from trialmaker.platform.redaction import without_password
from trialmaker.platform.run_result import RunResult

if TYPE_CHECKING:  # NumPy's import, which --help need not wait for
    from trialmaker.data.splits import Dataset
    from trialmaker.experiment.output_page.test_report import TestReport


@dataclass
class _Running:
    """A study that goes on.

    Args:
        config: what its trials have in common.
        name: the study's.
        summary: what is known of its result.
        started: ``time.monotonic()``.
    """

    config: Config
    name: str
    summary: RunResult
    started: float = field(default_factory=time.monotonic)


_running: list[_Running] = []  # the study that goes on, if one does


def begin(config: Config, name: str, command: str, changes: Sequence[Difference]) -> None:
    """Note the study that begins.

    Args:
        config: what its trials have in common.
        name: the study's.
        command: continues it.
        changes: what the config has that its defaults have not.
    """
    differences = [without_password(str(one)) for one in changes]
    note, tags = config.note or "", dict(config.tags)
    summary = RunResult(without_password(command), note=note, tags=tags, differences=differences)
    _running[:] = [_Running(config, name, summary)]
    write_study_page(config, name)


def is_running() -> bool:
    """Return whether a study goes on."""
    return bool(_running)


def progress_text() -> str:
    """Return how far the study that goes on has come, such as ``after 12 trials``; "" where none does."""
    ended = [trials_of(all_results(Path(one.config.output).absolute()), one.name) for one in _running]
    counts = [sum(trial.status != "stopped" for trial in trials) for trials in ended]
    return "".join(f"after {count} trial{'' if count == 1 else 's'}" for count in counts)


def end(
    status: str,
    *,
    message: str = "",
    test_metrics: Mapping[str, float] | None = None,
    report: "TestReport | None" = None,
    dataset: "Dataset | None" = None,
) -> str:
    """Write the page of the study that goes on, which ends by that; return a line on its result.

    Args:
        status: ``finished``, ``stopped`` or ``failed``.
        message: why it is not finished.
        test_metrics: of its best model; None where that was not tested.
        report: the best model's answers on the test split.
        dataset: the trials'; None where it is not known.

    Returns:
        the line; "" where no study goes on.
    """
    line = ""
    while _running:
        study = _running.pop()
        sizes = data_sizes(dataset) if dataset else None
        metrics, seconds = dict(test_metrics or {}), time.monotonic() - study.started
        summary = replace(study.summary, status=status, message=message, seconds=seconds, test_metrics=metrics)
        line = write_study_page(study.config, study.name, summary=summary, test=report, sizes=sizes)
    return line

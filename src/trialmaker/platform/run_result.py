"""``result.json`` in a run's directory: how the run ended and what it reached, for programs to read."""

import json
import os
import re
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from trialmaker.errors import UserError
from trialmaker.platform import training_report
from trialmaker.platform.atomic_files import write_text
from trialmaker.platform.regular_files import read_text

RESULT_FILE = "result.json"
# The environment variable by which one process starts another whose model is not published: why it is not.
UNPUBLISHED = "TRIALMAKER_UNPUBLISHED"
# reasons for the end of a run that can go on
NO_SPACE, TIME_LIMIT, LOST_INSTANCE = "no_space", "max_seconds", "lost_instance"
HALF_COPY = re.compile(r"\.[0-9a-f]{32}")  # the name of a run's directory that is being copied


@dataclass
class RunResult:
    """The record of how a run ended and what it reached; filled in while the run goes on.

    Attributes:
        command: what to type to repeat the run.
        name: of the run, for people.
        note: what they wrote about it; "" for nothing.
        tags: theirs, by name.
        differences: the overrides of what its config has that the defaults have not; for a trial, all overrides.
        study: the name of the study that the run is a trial of; None for a plain run.
        data: the data set's name; of pictures in folders, with the folder's.
        trial: the number of the study's trial that the run is; None for a plain run.
        status: ``finished``, ``pruned`` (a study's trial), ``stopped`` (by a signal) or ``failed``.
        message: why the run is not finished, in a line; else "".
        ended_by: what ended the training: ``epochs``, ``patience``, ``max_seconds`` (its time limit), ``pruned``,
            ``signal``, ``no_space`` or ``lost_instance``; "" for anything else.
        objective: the metric that decides what is best.
        best_epoch: counted from 1; None before the first epoch was validated.
        best_metrics: the best epoch's.
        test_metrics: ``test_loss`` and ``test_accuracy`` of the best weights; empty for a run that was not tested.
        mlflow_run_id: None as long as MLflow has not answered.
        model_version: the number under which the run's best model is published; None where it is not.
        model_directory: the folder of the run's best model, relative to the output if it is below it; None where
            there is none.
        undelivered: what MLflow has not got of the run, and why, in a line; "" where it has all.
        attempts: in how many processes the run went on, this one included.
        seconds: from the start of the process, or of this run of a multirun, to the run's end; of all attempts.
        started_at: ISO 8601, UTC; of the first attempt.
        process_id: of the process that ran it.
    """

    command: str
    name: str = ""
    note: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)
    study: str | None = None
    data: str = ""
    trial: int | None = None
    status: str = "failed"
    message: str = ""
    ended_by: str = ""
    objective: str = ""
    best_epoch: int | None = None
    best_metrics: dict[str, float] = field(default_factory=dict)
    test_metrics: dict[str, float] = field(default_factory=dict)
    mlflow_run_id: str | None = None
    model_version: int | None = None
    model_directory: str | None = None
    undelivered: str = ""
    attempts: int = 1
    seconds: float = 0.0
    started_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    process_id: int = field(default_factory=os.getpid)

    def __str__(self) -> str:
        metrics = {name: value for name, value in self.best_metrics.items() if name == self.objective}
        values = [f"{name}={value:.4f}" for name, value in {**metrics, **self.test_metrics}.items()]
        epoch = [f"best epoch={self.best_epoch}"] if self.best_epoch else []
        model = [f"model={self.model_directory}"] if self.model_directory else []
        return " ".join([self.status, *epoch, *values, *model])

    @property
    def is_interrupted(self) -> bool:
        """Return whether the run ended before its time, so that the same command goes on with it."""
        return self.status == "stopped" or self.ended_by in (NO_SPACE, TIME_LIMIT)

    def note_model(self, directory: Path | None, output: Path) -> None:
        """Note where the run's best model lies, if anywhere, and under which number it is published, if it is."""
        if directory:
            self.model_version = int(directory.name) if directory.parent == output / "model" else None
            is_below = directory.is_relative_to(output)
            self.model_directory = str(directory.relative_to(output) if is_below else directory)

    def text(self) -> str:
        """Return the content of ``result.json``."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"

    def write(self, directory: Path) -> None:
        """Replace the directory's ``result.json``; tell the process that started this one, if it asks, where it is."""
        path = directory.absolute() / RESULT_FILE
        write_text(path, self.text())
        training_report.tell(result=path)


def check_present(directory: Path) -> None:
    """Check that a run's directory is still there.

    Raises:
        UserError: it, and mostly the whole output, was removed.
    """
    if not directory.is_dir():
        raise UserError(f"{directory}: is gone: it was removed while the run wrote to it; start the run again")


def read_result(path: Path) -> RunResult | None:
    """Return the content of a ``result.json``; None for a file that is missing or holds something else.

    Fields that this version does not know are left out.
    """
    try:
        record = json.loads(read_text(path))
        values = {one.name: record[one.name] for one in fields(RunResult) if one.name in record}
        types = get_type_hints(RunResult)
        return RunResult(**values) if all(_fits(value, types[name]) for name, value in values.items()) else None
    except (OSError, ValueError, TypeError, RecursionError):
        return None


def _fits(value: Any, kind: Any) -> bool:
    """Return whether a value of JSON is of a field's type: whoever made the file may have put anything there."""
    arguments = get_args(kind)
    if get_origin(kind) is dict:
        return isinstance(value, dict) and all(_fits(one, arguments[1]) for one in value.values())
    if get_origin(kind) is list:
        return isinstance(value, list) and all(_fits(one, arguments[0]) for one in value)
    if arguments:  # a type or None
        return any(_fits(value, one) for one in arguments)
    return isinstance(value, (int, float) if kind is float else kind)


def run_results(output: Path) -> Iterator[tuple[Path, RunResult]]:
    """Yield the directory and the result of each run in an output, trials included, in the order of their names."""
    for path in sorted((output / "logs").rglob(RESULT_FILE)):
        if not is_half_copy(path, output) and (result := read_result(path)):
            yield path.parent, result


def half_copy(target: Path) -> Path:
    """Return a new hidden place beside a directory, for a copy of it that is not whole yet."""
    return target.with_name(f".{uuid.uuid4().hex}")


def is_half_copy(path: Path, output: Path) -> bool:
    """Return whether a file of an output lies in a copy that is not whole, and may stay so after a kill."""
    return any(map(HALF_COPY.fullmatch, path.relative_to(output).parts))

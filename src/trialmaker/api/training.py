"""Trainings and studies from Python: ``train.py`` in a process of its own, and what it leaves."""

import sys
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from trialmaker.analysis.training_command import SINGLE_RUN, run_commands
from trialmaker.api.widget_warning import ignored_widget_warning
from trialmaker.errors import UserError
from trialmaker.platform.run_result import RunResult, read_result, run_results
from trialmaker.platform.training_report import TrainingReport

if TYPE_CHECKING:
    import optuna

MISTAKE = "train.py: error: "
LAST_LINES = 30  # that a bug is told with


@dataclass(frozen=True)
class TrainedRun:
    """A run that has ended.

    Args:
        directory: ``logs/<run>`` in the output, with ``result.json``, the composed config and ``train.log``.
        output: the output directory.
        record: what ``result.json`` says.
    """

    directory: Path
    output: Path
    record: RunResult = field(repr=False)

    @property
    def status(self) -> str:
        """Return ``finished``, ``pruned``, ``stopped`` or ``failed``."""
        return self.record.status

    @property
    def metrics(self) -> dict[str, float]:
        """Return the best epoch's metrics, such as ``val_accuracy``, and ``test_loss`` and ``test_accuracy``."""
        return {**self.record.best_metrics, **self.record.test_metrics}

    @property
    def best(self) -> float | None:
        """Return the best value of the objective; None where no epoch was validated."""
        return self.record.best_metrics.get(self.record.objective)

    @property
    def model_folder(self) -> Path | None:
        """Return the folder of its best model, for ``load_model``; None where it published none."""
        return self.output / self.record.model_directory if self.record.model_directory else None

    @property
    def run_id(self) -> str | None:
        """Return MLflow's id of the run; None as long as MLflow has not answered."""
        return self.record.mlflow_run_id


@dataclass(frozen=True)
class Study:
    """A study: its trials, in the order of their numbers."""

    name: str
    trials: Sequence[TrainedRun]
    best: TrainedRun | None
    """The best trial that finished; None where none did, or the study has several objectives."""


def train(*words: str, output: str | PathLike[str] | None = None, quiet: bool = False) -> TrainedRun:
    """Train once, and wait for the end.

    Args:
        words: what one types after ``train.py``, such as ``"model=cnn"`` and ``"training.epochs=3"``.
        output: the output directory; None for the one that the words name, or the project's own.
        quiet: whether the lines of the training are not printed.

    Returns:
        the run; its status tells whether it was stopped.

    Raises:
        UserError: the words, the data or the machine do not allow the training; a line says why.
        RuntimeError: a bug, or the process was killed; with the exit code and the end of what was printed.
        KeyboardInterrupt: Ctrl-C, when the training has ended; the same call goes on from there.
    """
    report = _run([*words, SINGLE_RUN], output, quiet)
    result = read_result(report.results[-1]) if report.results else None
    if not report.results or not report.output or not result:
        raise RuntimeError(f"train.py {' '.join(words)}: left no result.json")
    return TrainedRun(report.results[-1].parent, report.output, result)


def study(name: str, *words: str, output: str | PathLike[str] | None = None, quiet: bool = False) -> Study:
    """Run an Optuna study, or what is left of its trials, and wait for the end.

    Args:
        name: of a file in ``sweeps/``, such as ``"mlp"``.
        words: what one types after ``train.py sweeps=NAME``, such as ``"hydra.sweeper.n_trials=10"``.
        output, quiet: as for ``train``.

    Raises:
        UserError, RuntimeError, KeyboardInterrupt: as ``train``.
    """
    report = _run([f"sweeps={name}", *words], output, quiet)
    if not report.study or not report.output:
        raise UserError(f"sweeps={name}: is no study of Optuna's, or was only shown")
    loaded = _load(report.study, report.output, report.storage or "")
    results = ((directory, result) for directory, result in run_results(report.output) if result.study == report.study)
    found = {result.trial: TrainedRun(directory, report.output, result) for directory, result in results}
    trials = [found[number] for number in sorted(number for number in found if number is not None)]
    finished = [trial.number for trial in loaded.best_trials] if len(loaded.directions) == 1 else []
    return Study(report.study, trials, found.get(finished[0]) if finished else None)


def _load(name: str, output: Path, storage: str) -> "optuna.Study":
    with ignored_widget_warning():
        from trialmaker.analysis import best_trial  # Optuna takes a while to import

    if "://" not in storage and not Path(storage).is_file():
        raise UserError(f"{name}: has no trials in {storage}")
    return best_trial.load(name, output, storage)


def _run(words: Sequence[str], output: str | PathLike[str] | None, quiet: bool) -> TrainingReport:
    lines = deque[str](maxlen=LAST_LINES)
    if "${" in str(output):
        raise UserError(f"output={output}: must not contain ${{, which Hydra takes for a reference to a field")
    where = [] if output is None else [f"--output={Path(output).absolute()}"]  # a comma in it is no list of values

    def tell(line: str) -> None:
        lines.append(line)
        if not quiet:
            _print(line)

    code, report = run_commands([*words, *where], tell, is_attached=False)
    mistakes = [line.removeprefix(MISTAKE).strip() for line in lines if line.startswith(MISTAKE)]
    if code == UserError.exit_code and mistakes:
        raise UserError(*mistakes)
    if code == 1 or code < 0 or (code and not report.results):
        end = "a bug" if code == 1 else f"exit code {code}"
        raise RuntimeError(f"train.py ended with {end}:\n" + "".join(lines))
    return report


def _print(line: str) -> None:
    """Print a line; one that cannot be printed does not end the training."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    with suppress(Exception):  # of whatever stands in for standard output
        sys.stdout.write(line.encode(encoding, "backslashreplace").decode(encoding))

"""Trainings and studies from Python: ``train.py`` in a process of its own, and what it leaves."""

import sys
import warnings
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

from trialmaker.analysis.training_command import SINGLE_RUN, run_commands
from trialmaker.errors import UserError
from trialmaker.platform import paths
from trialmaker.platform.run_result import RunResult, read_result, run_results

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
        output: the output directory; None for the project's own.
        quiet: whether the lines of the training are not printed.

    Returns:
        the run; its status tells whether it was stopped.

    Raises:
        UserError: the words, the data or the machine do not allow the training; a line says why.
        RuntimeError: a bug, with the end of what was printed.
    """
    results = _run([*words, SINGLE_RUN], output, quiet)
    if not results:
        raise RuntimeError(f"train.py {' '.join(words)}: left no result.json")
    return results[-1]


def study(name: str, *words: str, output: str | PathLike[str] | None = None, quiet: bool = False) -> Study:
    """Run an Optuna study, or what is left of its trials, and wait for the end.

    Args:
        name: of a file in ``sweeps/``, such as ``"mlp"``.
        words: what one types after ``train.py sweeps=NAME``, such as ``"hydra.sweeper.n_trials=10"``.
        output, quiet: as for ``train``.

    Raises:
        UserError, RuntimeError: as ``train``.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="tqdm")  # which asks for widgets where a notebook has none
        from trialmaker.analysis import best_trial  # Optuna takes a while to import

    place = _output(output)
    results = _run([f"sweeps={name}", *words], output, quiet)
    loaded = best_trial.load(results[-1].record.study or name if results else name, place)
    found = {one.record.trial: one for one in _results(place) if one.record.study == loaded.study_name}
    trials = [found[number] for number in sorted(number for number in found if number is not None)]
    finished = [trial.number for trial in loaded.best_trials] if len(loaded.directions) == 1 else []
    return Study(loaded.study_name, trials, found.get(finished[0]) if finished else None)


def _run(words: Sequence[str], output: str | PathLike[str] | None, quiet: bool) -> list[TrainedRun]:
    place, lines = _output(output), deque[str](maxlen=LAST_LINES)
    where = [] if output is None else [f"output={place}"]

    def tell(line: str) -> None:
        lines.append(line)
        if not quiet:
            sys.stdout.write(line)

    code, results = run_commands([*words, *where], tell, is_attached=False)
    mistakes = [line.removeprefix(MISTAKE).strip() for line in lines if line.startswith(MISTAKE)]
    if code == UserError.exit_code and mistakes:
        raise UserError(*mistakes)
    if code == 1:
        raise RuntimeError("train.py ended with a bug:\n" + "".join(lines))
    runs = ((path.parent, read_result(path)) for path in results)
    return [TrainedRun(directory, place, result) for directory, result in runs if result]


def _output(output: str | PathLike[str] | None) -> Path:
    return Path(output).absolute() if output is not None else paths.root() / "output"


def _results(output: Path) -> list[TrainedRun]:
    return [TrainedRun(directory, output, result) for directory, result in run_results(output)]

"""The best trial of a study, and its spread over seeds."""

import os
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hydra.errors import HydraException
from optuna import Study, get_all_study_names, load_study, logging
from optuna.trial import FrozenTrial
from sqlalchemy.engine import make_url

from optuna_sweep.attributes import OVERRIDES
from optuna_sweep.storage import open_storage
from trialmaker.analysis.stored_overrides import checked
from trialmaker.analysis.training_command import SINGLE_RUN, run_training
from trialmaker.errors import MAX_SHOWN_CHARACTERS, UserError, one_line, printable
from trialmaker.platform.received_database import check_file
from trialmaker.platform.received_files import is_inside
from trialmaker.platform.redaction import without_password
from trialmaker.platform.run_summary import ComparedRun, summary_lines


def overrides(study: str, output: Path, storage: str | None = None, number: int | None = None) -> list[str]:
    """Return the overrides that the best trial was run with.

    Args:
        study: its name, or the path or name of its file, where that holds one study alone.
        output: where ``studies/`` lies.
        storage: a database's or proxy's address, where the study lies in no file.
        number: of another trial than the best.

    Raises:
        UserError: there is no such study or trial, or no trial of it has completed; of several objectives none is best.
    """
    with _readable(study):
        loaded = load(study, output, storage)
        trial = _best(study, loaded) if number is None else _trial(loaded, number)
        if OVERRIDES not in trial.user_attrs:
            raise UserError(f"{study}: its trial {trial.number} has no overrides: it is no study of TrialMaker")
    return checked(trial.user_attrs[OVERRIDES], f"study {study}, trial {trial.number}")


def run_with_seeds(words: Sequence[str], seeds: int) -> int:
    """Train once for each seed from 0, and print mean and spread of what was reached.

    Args:
        words: the trial's overrides.
        seeds: how many.

    Returns:
        0, or the exit code of the first training that failed.
    """
    runs = []
    for seed in range(seeds):
        line = [*(word for word in words if not word.startswith("seed=")), f"seed={seed}", SINGLE_RUN]
        print(f"training {seed + 1} of {seeds}: seed={seed}", file=sys.stderr, flush=True)
        code, result = run_training(line)
        if code:
            return code
        if result is None:
            raise RuntimeError(f"train.py {' '.join(line)}: left no result.json")
        print(f"seed={seed} {result}", flush=True)
        runs.append(ComparedRun({"seed": str(seed)}, result, f"MLflow's run {result.mlflow_run_id}"))
    if seeds > 1:
        print(*summary_lines(runs), sep="\n")
    return 0


@contextmanager
def _readable(study: str) -> Iterator[None]:
    """Have whatever Optuna makes of a file that somebody spoiled be a line."""
    try:
        yield
    except (UserError, HydraException):
        raise
    except Exception as error:
        reason = one_line(f"{type(error).__name__}: {error}", MAX_SHOWN_CHARACTERS)
        raise UserError(f"{study}: cannot be read as a study of Optuna's: {reason}") from error


def load(name: str, output: Path, storage: str | None = None) -> Study:
    """Load a study; arguments and errors are those of ``overrides``."""
    logging.set_verbosity(logging.WARNING)  # not a line for each study that it opens
    try:
        return _load_from_address(name, storage) if storage else _load_from_file(name, output)
    except HydraException as error:
        raise UserError(str(error).replace("hydra.sweeper.storage=", "--storage ")) from error


def _load_from_address(name: str, storage: str) -> Study:
    if storage.startswith("sqlite"):
        _check_sqlite(storage)
    opened = open_storage(storage)
    names = get_all_study_names(opened)
    # A study that has no name of its own is named by its sweep file and its data set.
    matches = [name] if name in names else [other for other in names if other.startswith(f"{name}_")]
    if not matches:
        raise UserError(f"{name}: there is no such study in {without_password(storage)}")
    return load_study(study_name=_only(name, matches, without_password(storage)), storage=opened)


def _check_sqlite(storage: str) -> None:
    """Check the tables of a SQLite file, which may be somebody else's.

    Raises:
        UserError: they are not what they should be.
    """
    path = Path(make_url(storage).database or "")
    try:
        check_file(path.resolve())  # a link that the person names is the person's own
    except (OSError, sqlite3.Error) as error:
        raise UserError(f"--storage {without_password(storage)}: {one_line(error, MAX_SHOWN_CHARACTERS)}") from error


def _load_from_file(name: str, output: Path) -> Study:
    """Load a study by its file or the file's name, or by its own name from one of the files in ``studies/``."""
    path = Path(name) if os.sep in name or Path(name).is_file() else output / "studies" / f"{name}.log"
    if path.is_file():
        opened = open_storage(str(path))
        names = get_all_study_names(opened)
        if path.stem in names and len(names) > 1:
            others = ", ".join(other for other in names if other != path.stem)
            print(printable(f"study {path.stem} of {path}, which holds {others} too"), file=sys.stderr)
        return load_study(study_name=path.stem if path.stem in names else _only(name, names, path), storage=opened)
    present: list[str] = []
    for file in sorted((output / "studies").glob("*.log")):
        if not is_inside(file, output):
            continue
        opened = open_storage(str(file))
        if name in (names := get_all_study_names(opened)):
            return load_study(study_name=name, storage=opened)
        present += names
    raise UserError(f"{name}: there is no study {path}; there are: {', '.join(present) or 'none'}")


def _only(name: str, names: Sequence[str], place: object) -> str:
    """Return the name of the only study.

    Raises:
        UserError: there are several, or none.
    """
    if len(names) == 1:
        return names[0]
    content = f"holds several studies, name one of them: {', '.join(names)}" if names else "holds no study"
    raise UserError(f"{name}: {place} {content}")


def _best(name: str, study: Study) -> FrozenTrial:
    if len(study.directions) > 1:
        front = ", ".join(f"{trial.number} ({' '.join(f'{value:.4g}' for value in trial.values)})"
                          for trial in sorted(study.best_trials, key=lambda trial: trial.values))  # fmt: skip
        raise UserError(f"{name}: has several objectives; choose with --trial from its Pareto front: {front}")
    try:
        return study.best_trial
    except ValueError as error:
        raise UserError(f"{name}: no trial has completed") from error


def _trial(study: Study, number: int) -> FrozenTrial:
    for trial in study.trials:
        if trial.number == number and OVERRIDES in trial.user_attrs:
            return trial
    raise UserError(f"--trial {number}: has not been run; the study has trials 0 to {len(study.trials) - 1}")

"""The best trial of a study, and its spread over seeds."""

import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

from hydra.errors import HydraException
from optuna import Study, load_study
from optuna.trial import FrozenTrial

from optuna_sweep.storage import open_storage
from trialmaker.analysis.recipe import SINGLE_RUN
from trialmaker.errors import UserError
from trialmaker.platform import paths
from trialmaker.platform.redaction import without_password


def overrides(study: str, output: Path, storage: str | None = None, number: int | None = None) -> list[str]:
    """What the best trial was run with.

    Args:
        study: its name, or the path of its file.
        output: where studies lie.
        storage: a database's or proxy's address, where the study lies in no file.
        number: of another trial than the best.

    Raises:
        UserError: there is no such study or trial, or no trial of it has completed; of several objectives none is best.
    """
    loaded = _study(study, output, storage)
    trial = _best(study, loaded) if number is None else _trial(loaded, number)
    return list(trial.user_attrs["overrides"])


def run_with_seeds(words: list[str], seeds: int) -> int:
    """Run it once a seed, and print mean and spread of what it reached; the exit code."""
    reached: dict[str, list[float]] = {}
    for seed in range(seeds):
        line = [*(word for word in words if not word.startswith("seed=")), f"seed={seed}", SINGLE_RUN]
        with subprocess.Popen(
            [sys.executable, str(paths.PROJECT / "train.py"), *line], stdout=subprocess.PIPE, text=True
        ) as process:
            for text in process.stdout or ():
                if text.startswith("best epoch="):
                    print(f"seed={seed} {text}", end="", flush=True)
                    for name, value in re.findall(r"(\w+_\w+)=([\d.]+)", text):
                        reached.setdefault(name, []).append(float(value))
        if process.returncode:
            return process.returncode
    for name, values in reached.items():
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        print(f"{name}: {statistics.mean(values):.4f} ± {spread:.4f} ({min(values):.4f} to {max(values):.4f})")
    return 0


def _study(name: str, output: Path, storage: str | None) -> Study:
    try:
        if storage:
            return load_study(study_name=name, storage=open_storage(storage))
        path = Path(name) if os.sep in name or Path(name).is_file() else output / "studies" / f"{name}.log"
        if path.is_file():
            return load_study(study_name=None, storage=open_storage(str(path)))
        found = sorted(file.stem for file in (output / "studies").glob("*.log"))
        raise UserError(f"{name}: there is no study {path}; there are: {', '.join(found) or 'none'}")
    except HydraException as error:
        raise UserError(str(error).replace("hydra.sweeper.storage=", "--storage ")) from error
    except (KeyError, ValueError) as error:
        raise UserError(f"{name}: there is no such study in {without_password(storage or str(path))}") from error


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
        if trial.number == number and "overrides" in trial.user_attrs:
            return trial
    raise UserError(f"--trial {number}: has not been run; the study has trials 0 to {len(study.trials) - 1}")

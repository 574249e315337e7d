"""``python -m trialmaker best``: the best trial of a study, as a command, as a recipe, or run with several seeds."""

import os
import re
import shlex
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf
from optuna import Study, load_study
from optuna.trial import FrozenTrial

from hydra_plugins.optuna_sweeper.storage import open_storage
from trialmaker.errors import UserError
from trialmaker.platform import paths
from trialmaker.platform.redaction import without_password

ALONE = "hydra.mode=RUN"  # a study's file asks for a study


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


def command(words: list[str]) -> str:
    """What to type to repeat it."""
    return shlex.join(["python", "train.py", *words, ALONE])


def write_recipe(name: str, words: list[str]) -> Path:
    """``conf/experiment/<name>.yaml`` for it, so that ``experiment=<name>`` repeats it.

    Raises:
        UserError: the name is none for a file, or is taken.
    """
    path = paths.CONF / "experiment" / f"{name}.yaml"
    if not re.fullmatch(r"[\w-]+", name) or path.exists():
        raise UserError(f"--write {name}: must be a new name of letters, digits, - and _ for a file in conf/experiment")
    parsed = [override for override in OverridesParser.create().parse_overrides(words) if override.key_or_group]
    groups = {path.name for path in paths.CONF.iterdir() if path.is_dir()}
    chosen = {one.key_or_group: str(one.value()) for one in parsed if one.key_or_group in groups}
    values = OmegaConf.create({})
    for one in parsed:
        is_secret = without_password(str(one.value())) != str(one.value())  # a recipe is for others to read
        if one.key_or_group not in groups and not one.key_or_group.startswith("hydra.") and not is_secret:
            OmegaConf.update(values, one.key_or_group, one.value())
    study = chosen.pop("sweeps", None)
    merged = OmegaConf.merge(_of_study(study, chosen), values)
    defaults = "".join(f"  - override /{group}: {name}\n" for group, name in chosen.items())
    head = f"# @package _global_\n# The best trial of a study: python train.py experiment={name}\n"
    path.write_text(f"{head}{f'defaults:{chr(10)}{defaults}' * bool(defaults)}\n{OmegaConf.to_yaml(merged)}")
    return path


def run_with_seeds(words: list[str], seeds: int) -> int:
    """Run it once a seed, and print mean and spread of what it reached; the exit code."""
    reached: dict[str, list[float]] = {}
    for seed in range(seeds):
        line = [*(word for word in words if not word.startswith("seed=")), f"seed={seed}", ALONE]
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


def _of_study(name: str | None, chosen: dict[str, str]) -> dict[str, Any]:
    """The fields that the study's own file sets; the groups that it chooses join ``chosen``."""
    if name is None:
        return {}
    fields: Any = OmegaConf.to_container(OmegaConf.load(paths.CONF / "sweeps" / f"{name}.yaml"))
    for entry in fields.pop("defaults", []):
        ((group, choice),) = entry.items()
        if "hydra/" not in group:
            chosen.setdefault(group.removeprefix("override /"), choice)
    fields.pop("hydra", None)
    fields.pop("trial_values", None)
    return dict(fields)

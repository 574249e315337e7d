"""The name of a run for people: the one that they gave it, or what distinguishes it."""

import time
from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from trialmaker.config.config_files import GLOBAL_GROUPS
from trialmaker.config.differences import Difference, differences
from trialmaker.config.fields import GROUPS
from trialmaker.config.incidental import INCIDENTAL, OF_ONE_INSTANCE, WEIGHT_SOURCES, is_among
from trialmaker.config.schema import Config
from trialmaker.errors import printable
from trialmaker.experiment.output_page.scores import shortened
from trialmaker.platform.redaction import without_password

MAX_CHARACTERS = 60
MAX_PART_CHARACTERS = 30
SOURCES = ("data.directory", *WEIGHT_SOURCES)  # which tell runs apart, to a person
CHOICES = (*GLOBAL_GROUPS, *GROUPS)
ABBREVIATIONS = {"optimizer.learning_rate": "lr", "init_model": "from"}


def run_differences(config: Config, runtime: Any) -> list[Difference]:
    """Return what a run's config has that its defaults have not, but for which instance of its job this is.

    Args:
        config: the run's.
        runtime: Hydra's, with its choices and the places of its config files.
    """
    directories = [Path(source.path) for source in runtime.config_sources if source.schema == "file"]
    return [one for one in differences(asdict(config), runtime.choices, directories) if one.key not in OF_ONE_INSTANCE]


def data_name(config: Config) -> str:
    """Return the data set's name; of pictures in folders, with the folder's."""
    data = config.data
    return f"{data.name} {Path(data.directory).name}" if data.name == "images" else data.name


def run_name(
    config: Config,
    changes: Sequence[Difference],
    *,
    study: str | None = None,
    trial: int | None = None,
    job: int | None = None,
    swept: Collection[str] = (),
) -> str:
    """Return the name of a run, or of a study where there is no trial.

    Args:
        config: the run's.
        changes: what its config has that its defaults have not.
        study: the name of the study that the run is a trial of; None for a plain run.
        trial: the trial's number; None for a plain run, and for the study itself.
        job: the number of a multirun's job; None outside of one.
        swept: the fields in which the jobs of a multirun differ, which come first.

    Returns:
        ``config.name``, or ``cnn adamw lr=0.01 · 11-25 03:35`` of at most 60 characters, with the local time; of a
        trial ``mlp_mnist/12``.
    """
    if study is not None:
        name = config.name or study
        return name if trial is None else f"{name}/{trial}"
    if config.name:
        return config.name if job is None else f"{config.name}/{job}"
    is_told_by_experiment = config.tracking.experiment == config.data.name
    left_out = {"data"} if is_told_by_experiment else set()
    left_out |= set() if config.data.name == "images" else {"data.directory"}
    telling = [one for one in changes if one.key not in left_out and _tells(one.key)]
    return _distinguishing_name(config.model.name, telling, swept)


def _tells(field: str) -> bool:
    return field in SOURCES or not is_among(field, INCIDENTAL)


def _distinguishing_name(model: str, changes: Sequence[Difference], swept: Collection[str]) -> str:
    """Return the recipe or the model, then what differs, as much as fits, then the time."""
    moment = f" · {time.strftime('%m-%d %H:%M')}"
    ordered = sorted(changes, key=lambda one: (one.key not in swept, one.key not in CHOICES, one.key == "data"))
    parts = [_part(one) for one in ordered]
    if model not in parts and not {"experiment", "model"} & {one.key for one in changes}:
        parts.insert(0, model)
    room = MAX_CHARACTERS - len(moment)
    if len(" ".join(parts)) > room:
        while len(" ".join([*parts, "…"])) > room:
            parts.pop()
        parts.append("…")
    return " ".join(parts) + moment


def _part(difference: Difference) -> str:
    """Return a choice, a folder's name, or ``name=value`` by the last part of a field's path."""
    if difference.key in CHOICES:
        return str(difference.value)[:MAX_PART_CHARACTERS]
    if difference.key == "data.directory":
        return _shortened(Path(difference.value).name)
    name = ABBREVIATIONS.get(difference.key, difference.key.rpartition(".")[2])
    return _shortened(f"{name}={_text(difference)}")


def _text(difference: Difference) -> str:
    value: Any = difference.value
    if isinstance(value, tuple | list):
        return ",".join(map(str, value))
    if difference.key == "init_model":
        return without_password(str(value)).rstrip("/").rpartition("/")[2]
    return str(value)


def _shortened(text: str) -> str:
    return shortened(printable(text), MAX_PART_CHARACTERS)

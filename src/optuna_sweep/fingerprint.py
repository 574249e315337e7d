"""The fingerprint of a study: the value of all that is fixed, by which another command is known to be of that study.

What decides how the search goes is no part of it: budgets, limits, pruner and sampler with their seeds, and the limits
of the search space, in all of which Optuna lets a study go on otherwise. But for a grid: its points are numbered, and
the numbers hold for one space, seed and list of enqueued points alone.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import optuna
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from optuna_sweep.application import Application
from optuna_sweep.location import without_credentials
from optuna_sweep.space import Space

OF_ONE_JOB = re.compile(r"\$\{(hydra[.:]|now:)")  # interpolations
SEARCHED = {"searched": True}  # in place of the value of a field that the study searches
UNSET = {"unset": True}  # in place of a value that is on one side only; never stored


@dataclass(frozen=True)
class Fingerprint:
    """What is fixed in a study.

    Args:
        fixed: JSON values by name: those of the config's fields, by path, and the application's facts.
        groups: the choice of each config group, which says in a word what many fields say.
        versions: of Optuna and the application, for information.
    """

    fixed: Mapping[str, Any]
    groups: Mapping[str, str]
    versions: Mapping[str, str]

    def differences(self, other: "Fingerprint") -> Iterator[tuple[str, Any, Any]]:
        """Yield (name, own value, other's value) of what differs; ``UNSET`` where one side has no such name.

        Another choice of a group stands for the fields that only one of the choices has. A field that only one of two
        versions of the application knows is no difference.
        """
        fields = dict(_changes(self.fixed, other.fixed))
        groups = {
            group: pair
            for group, pair in _changes(self.groups, other.groups)
            if any(_is_below(name, group) for name in fields)
        }
        yield from ((group, *pair) for group, pair in groups.items())
        for name, pair in fields.items():
            choices = [choice for group, choice in groups.items() if _is_below(name, group)]
            is_implied = any(UNSET in pair or pair == choice for choice in choices)
            is_of_version = UNSET in pair and self.versions != other.versions
            if not is_implied and not is_of_version:
                yield name, *pair


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, tuple[Any, Any]]]:
    for name in sorted({*old, *new}):
        pair = old.get(name, UNSET), new.get(name, UNSET)
        if pair[0] != pair[1] and not all(value != value for value in pair):  # NaN is what it was
            yield name, pair


def of_study(config: DictConfig, space: Space, application: Application, more: Mapping[str, Any]) -> Fingerprint:
    """Return the fingerprint of a study.

    Args:
        config: of a trial, with the fixed overrides and without the searched ones.
        space: the search space.
        application: whose study it is.
        more: what else is fixed.
    """
    searched = {name.lstrip("+").partition("@")[0].replace("/", "."): SEARCHED for name in space.distributions}
    values = _task_values(config)
    left_out = {*searched, *application.incidental_fields}
    fields = {name: value for name, value in _flat(values) if not _is_any_below(name, left_out)}
    fixed = fields | _overrides_below(searched, space) | searched | dict(more)
    facts = application.facts(config, list(searched))
    groups = {str(name): str(choice) for name, choice in config.hydra.runtime.choices.items() if name in values}
    return Fingerprint({**fixed, **facts}, groups, {"optuna": optuna.__version__, **application.versions()})


def _task_values(config: DictConfig) -> dict[str, Any]:
    """Return the values of the task's config, nested; as written, where they are one job's or unresolvable."""
    raw: Any = OmegaConf.to_container(config, resolve=False, enum_to_str=True)
    del raw["hydra"]
    try:
        values: Any = OmegaConf.to_container(OmegaConf.create(_without_job_values(raw)), resolve=True)
    except OmegaConfBaseException:  # the task will meet it, if it reads that field
        values = raw
    return dict(values)


def _without_job_values(value: Any) -> Any:
    """Return nested values without the interpolations of what differs from job to job: they are text then."""
    if isinstance(value, dict):
        return {key: _without_job_values(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_job_values(entry) for entry in value]
    return value.replace("${", "$") if isinstance(value, str) and OF_ONE_JOB.search(value) else value


def _flat(values: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _as_json(value)


def _as_json(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_json(entry) for entry in value]
    if isinstance(value, dict):
        return {str(key): _as_json(inner) for key, inner in value.items()}
    return value if value is None or isinstance(value, bool | int | float) else without_credentials(str(value))


def _overrides_below(searched: Collection[str], space: Space) -> dict[str, Any]:
    """Return the fixed overrides of fields below a group that the study searches, whose own values are not compared."""
    overrides = OverridesParser.create().parse_overrides(list(space.fixed_overrides))
    values = {one.key_or_group: one.value() for one in overrides}
    return {name: _as_json(value) for name, value in values.items() if _is_any_below(name, searched)}


def _is_any_below(name: str, paths: Collection[str]) -> bool:
    return any(_is_below(name, path) for path in paths)


def _is_below(name: str, path: str) -> bool:
    return f"{name}.".startswith(f"{path}.")

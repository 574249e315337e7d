"""From what Hydra composed to a checked ``Config``; and what fields there are."""

import dataclasses
import json
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from functools import lru_cache
from types import MappingProxyType
from typing import Annotated, Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from trialmaker.errors import UserError
from trialmaker.schema import LAWS as STRICT
from trialmaker.schema import Config

GROUPS = ("data", "model", "optimizer", "schedule", "augment")
LAWS = {
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be more than {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be less than {lt}",
    "finite_number": "must be a finite number",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "string_too_short": "must not be empty",
    "tuple_type": "must be a list, such as [128,64]",
    "too_short": "must have at least {min_length} entry",
    "missing": "must be given",
    "json_invalid": "must be text that UTF-8 can hold",
    "dataclass_type": "must be a group of fields",
}


@dataclass(frozen=True)
class Field:
    """One field of the config.

    Args:
        path: such as ``optimizer.learning_rate``.
        owner: the value of ``name`` in the group's choices that have this field, such as ``adam``; "" for all.
        meaning: with unit.
        type: its annotation, with its bounds.
    """

    path: str
    owner: str
    meaning: str
    type: Any


def load(composed: DictConfig) -> Config:
    """Resolve and check every field.

    Raises:
        UserError: one line for each field that breaks its type or range, and for each law between fields.
    """
    try:
        values = OmegaConf.to_container(composed, resolve=True)
    except OmegaConfBaseException as error:
        raise UserError(" ".join(str(error).split())) from error
    try:
        config = TypeAdapter(Config).validate_json(json.dumps(values))
    except ValidationError as error:
        order = [field.path for field in fields()]
        mistakes = [(path, _mistake(path, detail)) for detail in error.errors() for path in [_path(detail)]]
        raise UserError(*(text for _, text in sorted(mistakes, key=lambda item: _place(item[0], order)))) from error
    broken = list(_laws_between_fields(config))
    if broken:
        raise UserError(*broken)
    return config


def leaves(values: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(path, value) of each field in nested dictionaries."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def flat(values: Mapping[Any, Any]) -> Iterator[tuple[str, str]]:
    """The same with values as text."""
    for path, value in leaves(values):
        yield path, str(list(value) if isinstance(value, tuple) else value)


def broken_laws(field: Field, value: Any) -> list[str]:
    """What a value breaks of a field's type and bounds, such as ``must be at least 1``; empty for a legal value."""
    try:
        TypeAdapter(field.type, config=STRICT).validate_json(json.dumps(value))
    except ValidationError as error:
        return [_entry(detail) + _law(detail) for detail in error.errors()]
    return []


def _entry(detail: ErrorDetails) -> str:
    """Which entry of a list it is about, if it is about one."""
    return f"{json.dumps(detail['input'], ensure_ascii=False)} " if detail["loc"] else ""


def _laws_between_fields(config: Config) -> Iterator[str]:
    direction = {"val_accuracy": "maximize", "val_loss": "minimize"}[config.objective]
    if config.direction != direction:
        yield f"direction={config.direction}: objective={config.objective} asks for direction={direction}"
    for path, value in flat(asdict(config)):
        if "\0" in value:
            yield f"{path}={json.dumps(value)}: must not contain a NUL character"
    limit, margin = config.training.max_seconds, config.training.margin_seconds
    if limit and limit <= margin:
        yield f"training.max_seconds={limit:g}: must be more than training.margin_seconds={margin:g}"
    if {"?", "%"} & set(config.output) and not config.tracking.uri:
        yield f"output={json.dumps(config.output)}: must not contain ? or %, which mean something in MLflow's address"
    examples, batch_size = config.training.max_examples, config.training.batch_size
    if examples and examples < batch_size:
        yield f"training.max_examples={examples}: must be at least training.batch_size={batch_size}"
    held_out = config.data.validation_fraction + getattr(config.data, "test_fraction", 0)
    if held_out >= 1:
        yield f"data.validation_fraction and data.test_fraction: must add up to less than 1, but are {held_out:g}"
    warmup = getattr(config.schedule, "warmup_epochs", 0)
    if warmup and warmup >= config.training.epochs:
        yield (
            f"schedule.warmup_epochs={warmup}: must be less than training.epochs={config.training.epochs};"
            " train longer, warm up for less, or take schedule=constant"
        )


def _path(detail: ErrorDetails) -> str:
    """Where, as a person would type it."""
    keys = [str(part) for part in detail["loc"]]
    if len(keys) > 2 and keys[0] in GROUPS:
        del keys[1]  # the choice's name, which pydantic puts between the group and the field
    return ".".join(keys)


def _place(path: str, order: list[str]) -> int:
    """Where the schema has the field, or the field that the path begins with."""
    return next((at for at, known in enumerate(order) if path == known or path.startswith(f"{known}.")), len(order))


def _mistake(path: str, detail: ErrorDetails) -> str:
    place = f"{path}={json.dumps(detail['input'])}" if detail["type"] != "missing" else path
    if detail["type"] == "unexpected_keyword_argument":
        return f"{path}: there is no such field{nearest(path, {field.path for field in fields()})}"
    return f"{place}: {_law(detail)}"


def _law(detail: ErrorDetails) -> str:
    context = {key: f"{value:g}" if isinstance(value, float) else value for key, value in detail.get("ctx", {}).items()}
    if detail["type"] == "literal_error":
        legal = [choice.strip(" '") for choice in context["expected"].replace(" or ", ",").split(",")]
        return f"must be one of {', '.join(legal)}{nearest(str(detail['input']), legal)}"
    law = LAWS.get(detail["type"])
    return law.format(**context) if law else detail["msg"]


def nearest(name: str, legal: Iterable[str], aliases: Mapping[str, str] = MappingProxyType({})) -> str:
    """``; did you mean …?`` with the legal names most like this one, or nothing.

    A path is looked for in its own group, by its last part; a name without a group everywhere, and among the aliases,
    which map other names to legal ones.
    """
    paths = sorted(legal)
    group = name.rpartition(".")[0]
    siblings = [path for path in paths if group and path.rpartition(".")[0] == group]
    meant = {path.rpartition(".")[2]: path for path in siblings or paths} | ({} if siblings else dict(aliases))
    last = name.rpartition(".")[2]
    close = get_close_matches(last, meant, cutoff=0.6) or [part for part in meant if len(last) > 2 and last in part][:3]
    names = dict.fromkeys(meant[part] for part in close)
    return f"; did you mean {' or '.join(names)}?" if names else ""


@lru_cache
def fields() -> tuple[Field, ...]:
    """Every field of every choice, in the order of ``schema.py``."""
    return tuple(_fields_of(Config, prefix="", owner=""))


def _fields_of(cls: type, prefix: str, owner: str) -> Iterator[Field]:
    types = typing.get_type_hints(cls, include_extras=True)
    for field in dataclasses.fields(cls):
        path = prefix + field.name
        inner = _dataclasses_in(types[field.name])
        for choice in inner:
            name = typing.get_type_hints(choice).get("name")
            yield from _fields_of(choice, f"{path}.", "/".join(typing.get_args(name)) if name else "")
        if not inner and not (owner and field.name == "name"):
            declared: Any = Annotated[types[field.name], field.default]
            yield Field(path, owner, getattr(field.default, "description", ""), declared)


def _dataclasses_in(annotation: Any) -> list[type]:
    if dataclasses.is_dataclass(annotation):
        return [typing.cast(type, annotation)]
    return [cls for part in typing.get_args(annotation) for cls in _dataclasses_in(part)]

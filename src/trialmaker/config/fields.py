"""The fields that the config has, and walks over their values."""

import dataclasses
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any

from trialmaker.config.config_dataclass import Received
from trialmaker.config.schema import Config

GROUPS = ("data", "model", "optimizer", "schedule", "augment")


@dataclass(frozen=True)
class Field:
    """One field of the config.

    Args:
        path: the keys with dots between, such as ``optimizer.learning_rate``.
        owner: the ``name`` of the group's choices that have this field, such as ``sgd`` or ``adam/adamw/nadam``; ""
            outside the groups.
        meaning: a phrase, with the unit.
        type: the annotation, with the bounds.
        received: what a config that somebody else made may set it to.
    """

    path: str
    owner: str
    meaning: str
    type: Any
    received: Received = Received.ANY_VALUE


def leaves(values: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (path, value) for each field in nested dictionaries."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def leaves_as_text(values: Mapping[Any, Any]) -> Iterator[tuple[str, str]]:
    """Yield (path, value as text) for each field in nested dictionaries; tuples are written as lists."""
    for path, value in leaves(values):
        yield path, str(list(value) if isinstance(value, tuple) else value)


@lru_cache
def fields() -> tuple[Field, ...]:
    """Return every field of every choice, in the order of ``Config``; a path comes once for each owner."""
    return tuple(_fields_of(Config, prefix="", owner=""))


def _fields_of(cls: type, prefix: str, owner: str) -> Iterator[Field]:
    types = typing.get_type_hints(cls, include_extras=True)
    for field in dataclasses.fields(cls):
        path = prefix + field.name
        choices = _dataclasses_in(types[field.name])
        for choice in choices:
            name = typing.get_type_hints(choice).get("name")
            yield from _fields_of(choice, f"{path}.", "/".join(typing.get_args(name)) if name else "")
        if not choices and not (owner and field.name == "name"):
            annotation: Any = Annotated[types[field.name], field.default]
            extra = getattr(field.default, "json_schema_extra", None) or {}
            received = extra.get(Received.__name__, Received.ANY_VALUE)
            yield Field(path, owner, getattr(field.default, "description", ""), annotation, received)


def _dataclasses_in(annotation: Any) -> list[type]:
    if isinstance(annotation, type) and dataclasses.is_dataclass(annotation):  # pydantic's marks are instances of some
        return [annotation]
    return [cls for part in typing.get_args(annotation) for cls in _dataclasses_in(part)]

"""The fields that the config has, and walks over their values."""

import dataclasses
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any

from trialmaker.config.schema import Config

GROUPS = ("data", "model", "optimizer", "schedule", "augment")


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

"""The dataclass that a part of the config is, and the declaration of its fields."""

from enum import StrEnum, auto
from typing import Annotated, Any, TypeVar, cast, dataclass_transform

from pydantic import ConfigDict, Discriminator, Field, Tag
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
Rate = Annotated[float, Field(ge=0, lt=1)]  # a share, less than the whole
# pydantic puts them into the place of an error, where no field has such a name.
ONE, LIST = "one value", "list of values"
Entry = TypeVar("Entry")
# One value for all layers, or a list with one for each. Errors are of that which was given.
OneOrEach = Annotated[
    Annotated[Entry, Tag(ONE)] | Annotated[tuple[Entry, ...], Field(min_length=1), Tag(LIST)],
    Discriminator(lambda value: LIST if isinstance(value, list | tuple) else ONE),
]
Class = TypeVar("Class")


class Received(StrEnum):
    """What a config that somebody else made may set a field to."""

    ANY_VALUE = auto()
    OWN_PLACE = auto()  # a path below the job's inputs or its output, or null
    NO_VALUE = auto()  # whoever runs the command sets it, and nobody else


def field(meaning: str, *, received: Received = Received.ANY_VALUE, **bounds: Any) -> Any:
    """Declare a required field.

    Args:
        meaning: what the field means, with its unit.
        received: what a config that somebody else made may set it to.
        bounds: ``ge``, ``gt``, ``le``, ``lt`` of a number, ``min_length`` of a text or list.
    """
    return Field(description=meaning, json_schema_extra={Received.__name__: received}, **bounds)


@dataclass_transform(kw_only_default=True, frozen_default=True)
def config_dataclass(cls: type[Class]) -> type[Class]:
    """Make a class a frozen, keyword-only dataclass that checks the types and bounds of its values, by pydantic."""
    return cast(type[Class], dataclass(cls, config=STRICT, kw_only=True, frozen=True))

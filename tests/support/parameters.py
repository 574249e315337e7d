"""The legal values of every field, and the ways in which people write them."""

import json
from decimal import Decimal
from typing import Annotated, Any, Literal, get_args, get_origin

from hypothesis import strategies as st
from pydantic.fields import FieldInfo

from trialmaker.config import fields
from trialmaker.config.arguments import translation, values
from trialmaker.config.arguments.foreign_words import SYNONYMS
from trialmaker.platform.paths import CONF

FIELDS = [field for field in fields.fields() if field.path != "tags"]  # whose names a person makes up
GROUPS = translation.choices([CONF])
UNBOUNDED_INTEGER = 10**6  # where a field has no bound of its own


def bounds(declared: Any) -> dict[str, Any]:
    """``ge``, ``gt``, ``le``, ``lt`` and ``min_length`` of an annotation."""
    if get_origin(declared) is not Annotated:
        return {}
    laws = [law for part in declared.__metadata__ if isinstance(part, FieldInfo) for law in part.metadata]
    limits = {key: getattr(law, key) for law in laws for key in law.__slots__}
    return bounds(declared.__origin__) | limits


def values_of(declared: Any) -> st.SearchStrategy[Any]:
    """All legal values of a declared type."""
    if values.is_one_or_each(declared):
        one, each = get_args(declared.__origin__)
        return values_of(one) | values_of(each).filter(lambda entries: len(entries) > 1)  # "5" is one value, not a list
    kind, limits = values.base_type(declared), bounds(declared)
    least, most = limits.get("ge", limits.get("gt")), limits.get("le", limits.get("lt"))
    beyond = {"exclude_min": "gt" in limits, "exclude_max": "lt" in limits}
    if kind is bool:
        legal: st.SearchStrategy[Any] = st.booleans()
    elif kind is int:
        legal = st.integers(least, UNBOUNDED_INTEGER if most is None else most - ("lt" in limits))
    elif kind is float:
        legal = st.floats(least, most, allow_nan=False, allow_infinity=False, **beyond)
    elif kind is str:
        legal = st.text(TEXT, min_size=limits.get("min_length", 0))
    elif get_origin(kind) is Literal:
        legal = st.sampled_from(get_args(kind))
    else:
        legal = st.lists(values_of(get_args(kind)[0]), min_size=limits.get("min_length", 0), max_size=4)
    return st.none() | legal if values.stands_for_none("null", declared) else legal


TEXT = st.characters(exclude_categories=["Cs"]) | st.sampled_from(" \\\"'${}[](),=:#~+-_\n\0中é")


def writings(value: Any) -> list[str]:
    """The ways to write a value that mean the same in every spelling."""
    if value is None:
        return ["null", "None", "NONE", ""]
    if isinstance(value, bool):
        return [*(("true", "YES", "On", "1") if value else ("False", "no", "OFF", "0")), json.dumps(str(value))]
    if isinstance(value, int):
        return [str(value), f"+{value}", f"{value}.0", f"{value}e0", f'"{value}"', f"'{value}'"]
    if isinstance(value, float):
        return [repr(value), f"{Decimal(value):f}", f"{value:.17e}", f'"{value!r}"', f"'{value!r}'"]
    if isinstance(value, str):
        return [json.dumps(value), json.dumps(value, ensure_ascii=False), *([f"'{value}'"] if "'" not in value else [])]
    return [json.dumps(value), json.dumps(json.dumps(value)), repr(value), repr(tuple(value)), *plain_lists(value)]


def plain_lists(value: list[Any]) -> list[str]:
    if any(isinstance(entry, str) for entry in value):
        return []
    entries = [str(entry) for entry in value]
    plain = [",".join(entries), ", ".join(entries), " ".join(entries), f"[{' , '.join(entries)}]"]
    return [*plain, f"({plain[0]},)" if entries else "()"]


def names_of(path: str) -> list[str]:
    """What a field may be called."""
    last = path.rpartition(".")[2]
    unique = {field.path for field in FIELDS if field.path.rpartition(".")[2] == last} == {path} and last not in GROUPS
    names = [path, *([last] if unique else []), *(synonym for synonym, name in SYNONYMS.items() if name == path)]
    return [*names, *(name.replace("_", "-") for name in names if "_" in name)]


def spellings(name: str, text: str) -> list[list[str]]:
    """A runtime parameter in the four spellings that are not Hydra's."""
    return [words for option in (f"--{name}", f"-{name}") for words in ([option, text], [f"{option}={text}"])]

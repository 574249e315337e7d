"""From a text to a value of a declared type, and from a value to the text that Hydra reads as it."""

import ast
import json
import re
import typing
import warnings
from collections.abc import Sequence
from decimal import Decimal
from types import NoneType
from typing import Any

from hydra.core.override_parser.types import Quote, QuotedString

NULLS = {"", "null", "none"}
BOOLEANS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
# Exponents and lengths end where a text of a few characters would become a number of millions of digits.
WHOLE_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)(e[+-]?[0-9]{1,2})?", re.IGNORECASE)
LONGEST_WHOLE = 300
NUMBER = re.compile(r"[+-]?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(e[+-]?[0-9]+)?|inf|infinity|nan)", re.IGNORECASE)
# What Hydra reads as text without quotes. Words that it reads as something else are in NOT_TEXT.
PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./-]*")
NOT_TEXT = {"null", "true", "false", "inf", "nan"}
INTERPOLATION = re.compile(r"(?<!\\)(\\*)\$\{")  # to OmegaConf; it is text where the number of \ before it is odd


def read(text: str, declared: Any) -> Any:
    """The value that a text stands for in a field of a declared type.

    Where it stands for none, the text itself, which ``config.broken_laws`` then refuses by the law of the type.

    Args:
        text: as typed, perhaps with one layer of quotes too many.
        declared: ``bool``, ``int``, ``float``, ``str``, a ``Literal``, ``tuple[…, ...]`` of those, or that ``| None``.
    """
    kind = kind_of(declared)
    bare = unquoted(text)
    if kind is str:
        return None if stands_for_none(text, declared) else bare
    bare = bare.strip()
    if stands_for_none(bare, declared):
        return None
    if kind is bool:
        return BOOLEANS.get(bare.lower(), bare)
    if kind is int:
        return _whole(bare)
    if kind is float:
        return float(bare) if NUMBER.fullmatch(bare) else bare
    if is_list(declared):
        return _list(bare, typing.get_args(kind)[0])
    return next((choice for choice in typing.get_args(kind) if choice in (bare, _whole(bare))), bare)


def write(value: Any) -> str:
    """A value as the part of a Hydra override after the ``=``; texts arrive literally, ``${`` and all."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, str):
        return quoted(INTERPOLATION.sub(r"\1\1\\${", value))
    if isinstance(value, Sequence):
        return f"[{','.join(map(write, value))}]"
    return repr(value)


def quoted(text: str) -> str:
    """A text in Hydra's quotes where it needs them. What OmegaConf makes of ``${`` in it is left to OmegaConf."""
    if PLAIN.fullmatch(text) and text.lower() not in NOT_TEXT:
        return text
    return QuotedString(text, Quote.double).with_quotes()


def unquoted(text: str) -> str:
    """Without one layer of JSON's double quotes, or of a shell's single ones; as it is, where there is none."""
    if text[:1] == text[-1:] == "'" and text.count("'") == 2:
        return text[1:-1]
    if text[:1] == text[-1:] == '"' and len(text) > 1:
        try:
            return str(json.loads(text, strict=False))
        except ValueError:
            return text
    return text


def stands_for_none(text: str, declared: Any) -> bool:
    """Whether a text means "no value" in a field that may have none."""
    return NoneType in typing.get_args(_bare(declared)) and text.lower() in NULLS


def kind_of(declared: Any) -> Any:
    """A declared type without its bounds and without ``| None``."""
    declared = _bare(declared)
    kinds = [part for part in typing.get_args(declared) if part is not NoneType]
    return _bare(kinds[0]) if NoneType in typing.get_args(declared) else declared


def is_text(declared: Any) -> bool:
    """Whether a field holds text or a list of texts, so that almost any word can be its value."""
    kind = kind_of(declared)
    return kind is str or (is_list(declared) and kind_of(typing.get_args(kind)[0]) is str)


def is_list(declared: Any) -> bool:
    return typing.get_origin(kind_of(declared)) is tuple


def _bare(declared: Any) -> Any:
    return _bare(declared.__origin__) if typing.get_origin(declared) is typing.Annotated else declared


def _whole(text: str) -> int | str:
    if len(text) > LONGEST_WHOLE or not WHOLE_NUMBER.fullmatch(text):
        return text
    number = Decimal(text)
    return int(number) if number == number.to_integral_value() else text


def _list(text: str, declared: Any) -> list[Any]:
    """Entries of JSON, of Python's repr, or parted by commas, else by blanks."""
    entries = _literal(text) if text[:1] in ("[", "(") else _literal(f"[{text}]") if text[:1] in ("'", '"') else None
    if entries is not None:
        return [_entry(entry, declared) for entry in entries]
    if (text[:1], text[-1:]) in (("[", "]"), ("(", ")")):
        text = text[1:-1].strip()
    parts = [part.strip() for part in text.split(",")] if "," in text else text.split()
    return [read(part, declared) for part in (parts[:-1] if parts and not parts[-1] else parts)]


def _entry(entry: Any, declared: Any) -> Any:
    if isinstance(entry, str) and kind_of(declared) is str:
        return entry  # its quotes are off already
    if isinstance(entry, bool) or not isinstance(entry, int | float | str):
        return entry if isinstance(entry, bool) else None  # neither is an entry of any list, and both can be shown
    return read(str(entry), declared)


def _literal(text: str) -> list[Any] | None:
    for parse in (json.loads, ast.literal_eval):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Python's about backslashes in what a person typed
                entries = parse(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(entries, list | tuple):
            return list(entries)
    return None

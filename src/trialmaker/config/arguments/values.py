"""Values: from a text to a value of a field's type, and from a value to the text that Hydra parses to it."""

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
INTEGER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)(e[+-]?[0-9]{1,2})?", re.IGNORECASE)
MAX_INTEGER_CHARACTERS = 300
NUMBER = re.compile(r"[+-]?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(e[+-]?[0-9]+)?|inf|infinity|nan)", re.IGNORECASE)
# What Hydra parses as text without quotes, but for the words in RESERVED_WORDS.
PLAIN_TEXT = re.compile(r"[A-Za-z_/][A-Za-z0-9_./-]*")
RESERVED_WORDS = {"null", "true", "false", "inf", "nan"}
INTERPOLATION = re.compile(r"(?<!\\)(\\*)\$\{")  # to OmegaConf; it is text where the number of \ before it is odd


def read(text: str, declared_type: Any) -> Any:
    """Return the value of a field's type that a text stands for.

    Where it stands for none, return the text itself, which ``validation.broken_laws`` then refuses by the type's law.

    Args:
        text: as typed, perhaps with one layer of quotes too many.
        declared_type: ``bool``, ``int``, ``float``, ``str``, a ``Literal``, ``tuple[…, ...]`` of those, that
            ``| None``, or ``OneOrEach[…]``; with or without ``Annotated``.
    """
    if is_one_or_each(declared_type):
        return _read_one_or_each(text, declared_type)
    kind = base_type(declared_type)
    content = unquoted(text)
    if kind is str:
        return None if stands_for_none(text, declared_type) else content
    content = content.strip()
    if stands_for_none(content, declared_type):
        return None
    if kind is bool:
        return BOOLEANS.get(content.lower(), content)
    if kind is int:
        return _read_integer(content)
    if kind is float:
        return float(content) if NUMBER.fullmatch(content) else content
    if is_list(declared_type):
        return _read_list(content, typing.get_args(kind)[0])
    spellings = (content, _read_integer(content))
    return next((choice for choice in typing.get_args(kind) if choice in spellings), content)


def write(value: Any) -> str:
    r"""Return a value as the part of a Hydra override after the ``=``.

    A text arrives literally: ``${`` becomes ``\${``, and no interpolation.
    """
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, str) and value.lower() == "none":  # which would be read as no value
        return QuotedString(value, Quote.double).with_quotes()
    if isinstance(value, str):
        return quoted(INTERPOLATION.sub(r"\1\1\\${", value))
    if isinstance(value, Sequence):
        return f"[{','.join(map(write, value))}]"
    return repr(value)


def quoted(text: str) -> str:
    """Return a text in Hydra's quotes where it needs them; interpolations in it stay interpolations."""
    if PLAIN_TEXT.fullmatch(text) and text.lower() not in RESERVED_WORDS:
        return text
    return QuotedString(text, Quote.double).with_quotes()


def unquoted(text: str) -> str:
    """Return a text without one layer of JSON's double quotes, or of a shell's single quotes; else as it is."""
    if text[:1] == text[-1:] == "'" and text.count("'") == 2:
        return text[1:-1]
    if text[:1] == text[-1:] == '"' and len(text) > 1:
        try:
            return str(json.loads(text, strict=False))
        except ValueError:
            return text
    return text


def stands_for_none(text: str, declared_type: Any) -> bool:
    """Return whether a text means "no value" in a field that may have none."""
    return NoneType in typing.get_args(_without_bounds(declared_type)) and text.lower() in NULLS


def base_type(declared_type: Any) -> Any:
    """Return a field's type without its bounds and without ``| None``."""
    unbounded = _without_bounds(declared_type)
    parts = [part for part in typing.get_args(unbounded) if part is not NoneType]
    return _without_bounds(parts[0]) if NoneType in typing.get_args(unbounded) else unbounded


def is_text(declared_type: Any) -> bool:
    """Return whether a field holds text or a list of texts, so that almost any word can be its value."""
    kind = base_type(declared_type)
    return kind is str or (is_list(declared_type) and base_type(typing.get_args(kind)[0]) is str)


def is_list(declared_type: Any) -> bool:
    """Return whether a field holds a list."""
    return typing.get_origin(base_type(declared_type)) is tuple


def is_one_or_each(declared_type: Any) -> bool:
    """Return whether a field holds one value for all layers, or a list with one for each."""
    parts = typing.get_args(_without_bounds(declared_type))
    return len(parts) == 2 and NoneType not in parts and is_list(parts[1])


def single_type(declared_type: Any) -> Any:
    """Return a field's type without its bounds, without ``| None``, and without the list of ``OneOrEach``."""
    one = typing.get_args(_without_bounds(declared_type))[0] if is_one_or_each(declared_type) else declared_type
    return base_type(one)


def _without_bounds(declared_type: Any) -> Any:
    is_annotated = typing.get_origin(declared_type) is typing.Annotated
    return _without_bounds(declared_type.__origin__) if is_annotated else declared_type


def _read_one_or_each(text: str, declared_type: Any) -> Any:
    one, each = typing.get_args(_without_bounds(declared_type))
    content = unquoted(text).strip()
    is_list_text = content[:1] in ("[", "(") or "," in content or len(content.split()) > 1
    return read(content, each if is_list_text else one)


def _read_integer(text: str) -> int | str:
    if len(text) > MAX_INTEGER_CHARACTERS or not INTEGER.fullmatch(text):
        return text
    number = Decimal(text)
    return int(number) if number == number.to_integral_value() else text


def _read_list(text: str, entry_type: Any) -> list[Any]:
    """Return the entries of a list in JSON, in Python's syntax, or separated by commas, else by blanks."""
    literal = _literal(text) if text[:1] in ("[", "(") else _literal(f"[{text}]") if text[:1] in ("'", '"') else None
    if literal is not None:
        return [_read_entry(entry, entry_type) for entry in literal]
    if (text[:1], text[-1:]) in (("[", "]"), ("(", ")")):
        text = text[1:-1].strip()
    parts = [part.strip() for part in text.split(",")] if "," in text else text.split()
    return [read(part, entry_type) for part in (parts[:-1] if parts and not parts[-1] else parts)]


def _read_entry(entry: Any, entry_type: Any) -> Any:
    if isinstance(entry, str) and base_type(entry_type) is str:
        return entry  # its quotes are off already
    if isinstance(entry, bool) or not isinstance(entry, int | float | str):
        return entry if isinstance(entry, bool) else None  # no list has such entries, and a message can show both
    return read(str(entry), entry_type)


def _literal(text: str) -> list[Any] | None:
    """Return the entries of a list in JSON or in Python's syntax; None for any other text."""
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

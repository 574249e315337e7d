"""The override that Hydra is given for a runtime parameter, and the check of Hydra's own overrides."""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser import types
from hydra.core.override_parser.overrides_parser import OverridesParser

from trialmaker.config.arguments import deletions, values
from trialmaker.config.arguments.names import HYDRA_TEXT, Name, Names
from trialmaker.config.arguments.tokens import Parameter, display
from trialmaker.config.fields import GROUPS
from trialmaker.config.suggestions import nearest
from trialmaker.config.validation import broken_laws
from trialmaker.errors import UserError, one_line, shorten
from trialmaker.platform import paths


@dataclass(frozen=True)
class Setting:
    """The meaning of a parameter: a value for a name.

    Args:
        key: a config group or the path of a field.
        override: in Hydra's syntax; None where the group is left at its default.
        value: a value of the field's type, or the name of a choice; for an override that only Hydra evaluates,
            ("as typed", its text). Two parameters with one key and equal values agree.
    """

    key: str
    override: str | None
    value: Any


def setting(parameter: Parameter, name: Name, *, multirun: bool) -> Setting:
    """Return the setting that a parameter stands for.

    Args:
        parameter: as typed.
        name: the meaning of its name.
        multirun: whether a value may be a sweep, such as ``1,2``.

    Raises:
        UserError: each law of the name's type, range or choices that the value breaks.
    """
    if not parameter.link:
        return _flag_setting(name)
    if name.choices:
        return _choice_setting(parameter, name, multirun=multirun)
    if name.fields:
        return _field_setting(parameter, name, multirun=multirun)
    return _hydra_setting(parameter, name, multirun=multirun)


def check(text: str, names: Names) -> types.Override:
    """Check an override in Hydra's own syntax; return it as parsed by Hydra.

    Raises:
        UserError: Hydra's grammar refuses it, it has no name, or there is no such config group or choice.
    """
    override = parse(text)
    if not override.key_or_group:
        raise UserError(f"{display(text)}: there is no name in it")
    if override.type is types.OverrideType.DEL and (law := deletions.law(override.key_or_group, names)):
        raise UserError(f"{display(text)}: {law}")
    group = names.groups.get(override.key_or_group)
    changes = override.type is types.OverrideType.CHANGE and not override.key_or_group.startswith("hydra")
    if group is None:
        if changes and override.package is not None:
            raise UserError(f"{display(override.key_or_group)}: {names.refusal(override.key_or_group)}")
        return override
    if isinstance(override.value(), int | float | dict):  # Hydra would end in a traceback
        raise UserError(f"{display(text)}: must be one of {', '.join(group.choices)}")
    if changes and (mistakes := _choice_mistakes(override, group)):
        raise UserError(*(f"{display(text)}: {mistake}" for mistake in mistakes))
    return override


def readable(text: str) -> str:
    """Return an override of Hydra's own settings, quoted where its value is text that Hydra's grammar refuses bare."""
    key, equals, value = text.partition("=")
    if not equals or not HYDRA_TEXT.fullmatch(key) or try_parse(text):
        return text
    return f"{key}={values.quoted(value)}"


def parse(text: str) -> types.Override:
    """Return an override as parsed by Hydra's grammar.

    Raises:
        UserError: the grammar refuses it.
    """
    try:
        return _parser().parse_override(text)
    except Exception as error:  # odd texts make it raise RecursionError, ValueError, AssertionError and others
        hint = "quote values with blanks or special characters: \"key='a b'\""
        raise UserError(f"{display(text)}: {shorten(one_line(error))}; {hint}") from error


@functools.cache
def _parser() -> OverridesParser:
    return OverridesParser.create()


def _flag_setting(name: Name) -> Setting:
    if name.is_boolean():
        return Setting(name.key, f"{name.key}=true", True)
    raise UserError(f"needs a value, which {name.expected()}")


def _hydra_setting(parameter: Parameter, name: Name, *, multirun: bool) -> Setting:
    text = f"{name.key}={parameter.value}"
    override = try_parse(text)
    if override is None or (override.is_sweep_override() and not multirun):
        text = f"{name.key}={values.quoted(parameter.value)}"
        parse(text)
    return Setting(name.key, text, ("as typed", text))


def _choice_setting(parameter: Parameter, name: Name, *, multirun: bool) -> Setting:
    text = f"{name.key}={parameter.value}"
    override = try_parse(text)
    choice = values.unquoted(parameter.value).strip()
    if choice in name.choices:
        is_literal = not parameter.dashes and override and override.value() == choice
        return Setting(name.key, text if is_literal else f"{name.key}={values.quoted(choice)}", choice)
    if choice.lower() in values.NULLS:
        return Setting(name.key, text if not parameter.dashes and _is_null_override(override, name) else None, None)
    if override and override.is_sweep_override():
        _check_choices(override, name)
        if multirun:
            return Setting(name.key, text, ("as typed", text))
        raise UserError(f"must be one of {', '.join(name.choices)}; {_multirun_hint()}")
    if override and not parameter.dashes and (_has_interpolation(override) or isinstance(override.value(), list)):
        _check_choices(override, name)
        return Setting(name.key, text, ("as typed", text))
    raise UserError(_choice_law(choice, name))


def _field_setting(parameter: Parameter, name: Name, *, multirun: bool) -> Setting:
    is_none = any(values.stands_for_none(parameter.value, field.type) for field in name.fields)
    literal = None if parameter.dashes or is_none else _setting_by_hydra(parameter, name, multirun=multirun)
    if literal:
        return literal
    text = f"{name.key}={parameter.value}"
    if multirun and name.is_one_or_each() and _is_sweep(text, name):  # 5,3 are two runs; [5,3] is one list
        return Setting(name.key, text, ("as typed", text))
    broken: dict[str, list[str]] = {}
    for field in name.fields:
        value = values.read(parameter.value, field.type)
        laws = broken_laws(field, value)
        if not laws:
            return Setting(name.key, f"{name.key}={values.write(value)}", value)
        broken.setdefault("; ".join(dict.fromkeys(laws)), []).append(field.owner)
    if not name.is_one_or_each() and _is_sweep(text, name):
        if multirun:
            return Setting(name.key, text, ("as typed", text))
        broken = {f"{law}; {_multirun_hint()}": owners for law, owners in broken.items()}
    raise UserError(_law_text(broken))


def _setting_by_hydra(parameter: Parameter, name: Name, *, multirun: bool) -> Setting | None:
    """Return ``name=value`` unchanged if Hydra parses it to a value that is legal for every owner of the field."""
    text = f"{name.key}={parameter.value}"
    override = try_parse(text)
    if override is None:
        return None
    if override.is_sweep_override():
        return Setting(name.key, text, ("as typed", text)) if multirun else None
    if _has_interpolation(override):
        return Setting(name.key, text, ("as typed", text))
    value = override.value()
    fits = not any(broken_laws(field, value) for field in name.fields)  # 1.0 pixels fit one owner, and 1 fits both
    return Setting(name.key, text, value) if fits else None


def _multirun_hint() -> str:
    flag = "hydra.mode=MULTIRUN" if paths.is_on_platform() else "-m"
    return f"for several runs, one after another, add {flag}"


def _law_text(broken: dict[str, list[str]]) -> str:
    """Return the broken laws, each with the owners whose field it is, unless all have the same."""
    if len(broken) == 1:
        return next(iter(broken))
    return " or ".join(f"{law} ({', '.join(owners)})" for law, owners in broken.items())


def try_parse(text: str) -> types.Override | None:
    """Return an override as parsed by Hydra's grammar; None for a text that it refuses."""
    try:
        return parse(text)
    except UserError:
        return None


def _is_sweep(text: str, name: Name) -> bool:
    override = try_parse(text) if {",", "("} & set(text) else None  # the grammar is slow on long nonsense
    is_sweep = override is not None and override.is_sweep_override()
    return is_sweep and not (name.is_list() and "[" not in text)  # 128,0 is one list, [128],[64] are two


def _has_interpolation(override: types.Override) -> bool:
    return override.input_line is not None and "${" in override.input_line


def _is_null_override(override: types.Override | None, name: Name) -> bool:
    return override is not None and override.value() is None and name.key not in GROUPS


def _check_choices(override: types.Override, name: Name) -> None:
    if mistakes := _choice_mistakes(override, name):
        raise UserError(*mistakes)


def _choice_mistakes(override: types.Override, name: Name) -> list[str]:
    return [_choice_law(choice, name) for choice in _choices_in(override) if choice not in name.choices]


def _choices_in(override: types.Override) -> Iterator[str]:
    """Yield the choices that an override names. Interpolations and patterns are left to Hydra."""
    value = override.value()
    choices: Sequence[Any] = value.list if isinstance(value, types.ChoiceSweep) else ()
    if isinstance(value, list | str):
        choices = [value] if isinstance(value, str) else value
    for choice in choices:
        text = choice.text if isinstance(choice, types.QuotedString) else choice
        if isinstance(text, str) and "${" not in text:
            yield text


def _choice_law(choice: str, name: Name) -> str:
    return f"must be one of {', '.join(name.choices)}{nearest(choice, name.choices)}"

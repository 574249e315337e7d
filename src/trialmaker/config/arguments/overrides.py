"""One runtime parameter, or one of Hydra's own overrides, as the override that Hydra is given."""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser import types
from hydra.core.override_parser.overrides_parser import OverridesParser

from trialmaker.config.arguments import values
from trialmaker.config.arguments.names import Name, Names
from trialmaker.config.arguments.tokens import Parameter, clipped, shown
from trialmaker.config.fields import GROUPS
from trialmaker.config.suggestions import nearest
from trialmaker.config.validation import broken_laws
from trialmaker.errors import UserError

MULTIRUN_HINT = "for several runs, one after another, add -m"


@dataclass(frozen=True)
class Setting:
    """What a parameter sets.

    Args:
        key: a config group or the path of a field.
        override: Hydra's text; None where the group is left at its default.
        value: what is set. Two parameters with equal values of equal kinds agree.
    """

    key: str
    override: str | None
    value: Any


def setting(parameter: Parameter, name: Name, *, multirun: bool) -> Setting:
    """What a parameter sets.

    Raises:
        UserError: each law of the name's type, range or choices that the value breaks.
    """
    if not parameter.link:
        return _alone(name)
    if name.choices:
        return _choice(parameter, name, multirun=multirun)
    if name.fields:
        return _field(parameter, name, multirun=multirun)
    return _hydras_own(parameter, name, multirun=multirun)


def check(text: str, names: Names) -> types.Override:
    """Hydra's reading of an override in its own syntax.

    Raises:
        UserError: what Hydra's grammar does not take, no name, or a config group or choice that there is not.
    """
    override = parse(text)
    if not override.key_or_group:
        raise UserError(f"{shown(text)}: there is no name in it")
    group = names.groups.get(override.key_or_group)
    changes = override.type is types.OverrideType.CHANGE and not override.key_or_group.startswith("hydra")
    if group is None:
        if changes and override.package is not None:
            raise UserError(f"{shown(override.key_or_group)}: {names.refusal(override.key_or_group)}")
        return override
    if isinstance(override.value(), int | float | dict):  # Hydra would end in a traceback
        raise UserError(f"{shown(text)}: must be one of {', '.join(group.choices)}")
    wrong = [choice for choice in _choices_in(override) if changes and choice not in group.choices]
    if wrong:
        raise UserError(*(f"{shown(text)}: {_no_choice(choice, group)}" for choice in wrong))
    return override


def parse(text: str) -> types.Override:
    """An override by Hydra's grammar.

    Raises:
        UserError: the grammar does not take it.
    """
    try:
        return _parser().parse_override(text)
    except Exception as error:  # odd texts make it raise RecursionError, ValueError, AssertionError and others
        reason = clipped(" ".join(str(error).split())) or type(error).__name__
        hint = "quote values with blanks or special characters: \"key='a b'\""
        raise UserError(f"{shown(text)}: {reason}; {hint}") from error


@functools.cache
def _parser() -> OverridesParser:
    return OverridesParser.create()


def _alone(name: Name) -> Setting:
    if name.is_boolean():
        return Setting(name.key, f"{name.key}=true", True)
    raise UserError(f"needs a value, which {name.expected()}")


def _hydras_own(parameter: Parameter, name: Name, *, multirun: bool) -> Setting:
    text = f"{name.key}={parameter.value}"
    override = _parsed(text)
    if override is None or (override.is_sweep_override() and not multirun):
        text = f"{name.key}={values.quoted(parameter.value)}"
        parse(text)
    return Setting(name.key, text, ("as typed", text))


def _choice(parameter: Parameter, name: Name, *, multirun: bool) -> Setting:
    text = f"{name.key}={parameter.value}"
    override = _parsed(text)
    choice = values.unquoted(parameter.value).strip()
    if choice in name.choices:
        read_alike = not parameter.dashes and override and override.value() == choice
        return Setting(name.key, text if read_alike else f"{name.key}={values.write(choice)}", choice)
    if choice.lower() in values.NULLS:
        return Setting(name.key, text if not parameter.dashes and _may_be_null(override, name) else None, None)
    if override and override.is_sweep_override():
        _check_choices(override, name)
        if multirun:
            return Setting(name.key, text, ("as typed", text))
        raise UserError(f"must be one of {', '.join(name.choices)}; {MULTIRUN_HINT}")
    if override and not parameter.dashes and (_is_interpolated(override) or isinstance(override.value(), list)):
        _check_choices(override, name)
        return Setting(name.key, text, ("as typed", text))
    raise UserError(_no_choice(choice, name))


def _field(parameter: Parameter, name: Name, *, multirun: bool) -> Setting:
    if not parameter.dashes and not any(values.stands_for_none(parameter.value, field.type) for field in name.fields):
        untouched = _as_hydra_reads_it(parameter, name, multirun=multirun)
        if untouched:
            return untouched
    broken: dict[str, list[str]] = {}
    for field in name.fields:
        value = values.read(parameter.value, field.type)
        laws = broken_laws(field, value)
        if not laws:
            return Setting(name.key, f"{name.key}={values.write(value)}", value)
        broken.setdefault("; ".join(dict.fromkeys(laws)), []).append(field.owner)
    text = f"{name.key}={parameter.value}"
    if _is_sweep(text, name):
        if multirun:
            return Setting(name.key, text, ("as typed", text))
        broken = {f"{law}; {MULTIRUN_HINT}": owners for law, owners in broken.items()}
    raise UserError(_joined(broken))


def _as_hydra_reads_it(parameter: Parameter, name: Name, *, multirun: bool) -> Setting | None:
    """A ``name=value`` that means by Hydra's grammar something which the field takes, whoever its owner is."""
    text = f"{name.key}={parameter.value}"
    override = _parsed(text)
    if override is None:
        return None
    if override.is_sweep_override():
        return Setting(name.key, text, ("as typed", text)) if multirun else None
    if _is_interpolated(override):
        return Setting(name.key, text, ("as typed", text))
    value = override.value()
    fits = not any(broken_laws(field, value) for field in name.fields)  # 1.0 pixels fit one owner, and 1 fits both
    return Setting(name.key, text, value) if fits else None


def _joined(broken: dict[str, list[str]]) -> str:
    """Laws, and whose they are where the owners of a field have different ones."""
    if len(broken) == 1:
        return next(iter(broken))
    return " or ".join(f"{law} ({', '.join(owners)})" for law, owners in broken.items())


def _parsed(text: str) -> types.Override | None:
    try:
        return parse(text)
    except UserError:
        return None


def _is_sweep(text: str, name: Name) -> bool:
    override = _parsed(text) if {",", "("} & set(text) else None  # the grammar is slow on long nonsense
    several = override is not None and override.is_sweep_override()
    return several and not (name.is_list() and "[" not in text)  # 128,0 is one list, [128],[64] are two


def _is_interpolated(override: types.Override) -> bool:
    return override.input_line is not None and "${" in override.input_line


def _may_be_null(override: types.Override | None, name: Name) -> bool:
    return override is not None and override.value() is None and name.key not in GROUPS


def _check_choices(override: types.Override, name: Name) -> None:
    wrong = [choice for choice in _choices_in(override) if choice not in name.choices]
    if wrong:
        raise UserError(*(_no_choice(choice, name) for choice in wrong))


def _choices_in(override: types.Override) -> Iterator[str]:
    """The choices that are named in it. Interpolations and patterns are left to Hydra."""
    value = override.value()
    listed: Sequence[Any] = value.list if isinstance(value, types.ChoiceSweep) else ()
    if isinstance(value, list | str):
        listed = [value] if isinstance(value, str) else value
    for choice in listed:
        text = choice.text if isinstance(choice, types.QuotedString) else choice
        if isinstance(text, str) and "${" not in text:
            yield text


def _no_choice(choice: str, name: Name) -> str:
    return f"must be one of {', '.join(name.choices)}{nearest(choice, name.choices)}"

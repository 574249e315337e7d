"""What is typed on the command line, checked before Hydra sees it, so that every name has an answer at once."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, QuotedString
from hydra.errors import HydraException

from trialmaker.config import fields, nearest
from trialmaker.errors import UserError


def check(argv: Sequence[str], conf: Path) -> None:
    """Refuse overrides of groups, choices or fields that there are not.

    Args:
        argv: the command line without the program's name. Hydra's flags are left to Hydra.
        conf: the config directory.

    Raises:
        UserError: one line for each such name, with the nearest legal ones.
    """
    if {"-sc", "--shell-completion"} & set(argv):
        return  # its words, such as query=bash, are not overrides
    groups = choices(conf)
    legal = {field.path for field in fields()} | set(groups)
    typed = [word for word in argv if "=" in word and not word.startswith("-")]
    mistakes = [mistake for word in typed for mistake in _mistakes(word, groups, legal)]
    if mistakes:
        raise UserError(*mistakes)


def choices(conf: Path) -> dict[str, list[str]]:
    """The config groups and the names of their choices, by what lies in the config directory."""
    files = sorted(conf.glob("*/*.yaml"))
    groups = dict.fromkeys(path.parent.name for path in files)
    return {group: [path.stem for path in files if path.parent.name == group] for group in groups}


def explain(error: Exception, argv: Sequence[str]) -> UserError:
    """One line for an error in which Hydra refused to compose the config."""
    text = " ".join(str(error).split())
    refused = re.match(r"Could not override '([^']+)'", text)
    owners = [field.owner for field in fields() if refused and field.path == refused[1] and field.owner]
    if refused and owners:
        group, _, name = refused[1].partition(".")
        chosen = [word for word in argv if word.startswith(f"{group}=")] or [f"the default {group}"]
        kinds = ", ".join(owner.replace("/", ", ") for owner in dict.fromkeys(owners))
        return UserError(f"{refused[1]}: {chosen[-1]} has no {name}; {kinds} have it")
    return UserError(text)


def _mistakes(word: str, groups: dict[str, list[str]], legal: set[str]) -> Iterator[str]:
    try:
        override = OverridesParser.create().parse_override(word)
    except HydraException as error:
        yield f"{word}: {' '.join(str(error).split())}; quote values with blanks or special characters: \"key='a b'\""
        return
    name = override.key_or_group
    if override.is_add() or name.startswith("hydra"):
        return
    if name in groups:
        for choice in _choices_in(override):
            if choice not in groups[name]:
                yield f"{name}={choice}: must be one of {', '.join(groups[name])}{nearest(choice, groups[name])}"
    elif name not in legal and not any(path.startswith(f"{name}.") for path in legal):
        yield f"{name}: there is no such field or group{nearest(name, legal) or '; python train.py --help lists them'}"


def _choices_in(override: Override) -> list[str]:
    if override.is_choice_sweep():
        return [str(value) for value in override.sweep_string_iterator()]
    value = override.value()
    value = value.text if isinstance(value, QuotedString) else value
    return [value] if isinstance(value, str) else []

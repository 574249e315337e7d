"""Names on the command line: of config groups, of fields, and of Hydra's own settings."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from trialmaker.config.arguments import values
from trialmaker.config.arguments.foreign_words import HINTS, SYNONYMS
from trialmaker.config.fields import Field, fields
from trialmaker.config.suggestions import nearest
from trialmaker.config.validation import TAG_NAME, TAG_NAME_LAW, broken_laws
from trialmaker.platform import paths

HYDRA_TEXT = re.compile(r"\+{0,2}hydra\..*(name|dir|storage|path)")  # Hydra's own settings whose values are text
TAGS = "tags."  # what follows is a name that a person makes up
FORCED = "++"  # before a path, by which Hydra adds a field that the config does not have


@dataclass(frozen=True)
class Name:
    """Something that the command line can set: a config group, a field, or else one of Hydra's own settings.

    Args:
        key: the name in Hydra's overrides, such as ``model`` or ``optimizer.learning_rate``.
        fields: of a field, its declarations, one for each of its owners.
        choices: of a config group, the names of its choices.
    """

    key: str
    fields: tuple[Field, ...] = ()
    choices: tuple[str, ...] = ()

    def is_text(self) -> bool:
        """Return whether almost any word can be a value: text, a list of texts, or one of Hydra's own settings."""
        return not self.choices and all(values.is_text(field.type) for field in self.fields)

    def is_boolean(self) -> bool:
        """Return whether the values are true and false, so that the name alone means true."""
        return bool(self.fields) and all(values.base_type(field.type) is bool for field in self.fields)

    def is_list(self) -> bool:
        """Return whether a value is a list, for one of the field's owners at least."""
        return any(values.is_list(field.type) for field in self.fields)

    def is_one_or_each(self) -> bool:
        """Return whether a value is one for all layers, or a list with one for each."""
        return any(values.is_one_or_each(field.type) for field in self.fields)

    def expected(self) -> str:
        """Return the law of its values, such as ``must be a whole number``."""
        if self.choices:
            return f"must be one of {', '.join(self.choices)}"
        laws = dict.fromkeys(law for field in self.fields for law in broken_laws(field, {}))
        return " or ".join(laws) or "must be text"


class Names:
    """All names that the command line can set.

    Args:
        groups: the choices of each config group.
        flags: Hydra's flags with their dashes, by other names; suggestions for a name that does not exist.
    """

    def __init__(self, groups: Mapping[str, Sequence[str]], flags: Mapping[str, str]) -> None:
        self.groups = {_normalize(group): Name(group, choices=tuple(choices)) for group, choices in groups.items()}
        self.paths: dict[str, Name] = {}
        for field in fields():
            owners = self.paths[field.path].fields if field.path in self.paths else ()
            self.paths[field.path] = Name(field.path, (*owners, field))
        self.tags = self.paths.pop("tags")
        known = {alias: key for alias, key in SYNONYMS.items() if key in self.paths or key in self.groups}
        self.aliases = known | {name.key: name.key for name in self.groups.values()} | dict(flags)

    def find(self, typed: str) -> Name | None:
        """Return what a name without its dashes means, or None if it means nothing, or several fields.

        It is looked up as a config group, a field's path, a path's last part and a synonym, in this order; ``-`` and
        ``_`` are the same. Any ``hydra.…`` and ``hydra/…`` is a name.
        """
        name = _normalize(typed)
        if name.startswith(("hydra.", "hydra/")):
            return Name(name)
        if typed.startswith(TAGS):
            if not TAG_NAME.fullmatch(typed.removeprefix(TAGS)):
                return None
            return Name(f"{FORCED}{typed}", (replace(self.tags.fields[0], path=typed, type=str),))
        if exact := self._find_exactly(name):
            return exact
        if matches := self._find_by_last_part(name):
            return matches[0] if len(matches) == 1 else None
        return self._find_exactly(SYNONYMS.get(name, ""))

    def is_section(self, typed: str) -> bool:
        """Return whether a name is a part of the config with fields of its own, such as ``training``."""
        return f"{typed}." == TAGS or any(path.startswith(f"{typed}.") for path in self.paths)

    def refusal(self, typed: str) -> str:
        """Return why ``find`` returns None for a name, with suggestions."""
        name = _normalize(typed)
        if name.startswith(TAGS) or f"{name}." == TAGS:
            return TAG_NAME_LAW if name.startswith(TAGS) else f"must be one tag, such as {TAGS}owner=anna"
        matches = [match.key for match in self._find_by_last_part(name)]
        if paths := matches or [path for path in self.paths if path.startswith(f"{name}.")]:
            return f"must be one field, such as {' or '.join(paths[:4])}"
        last = name.rpartition(".")[2]
        if hint := HINTS.get(name) or HINTS.get(last):
            return f"there is no such field or group; {hint}"
        if last != name and (same := self._find_exactly(SYNONYMS.get(last, ""))):
            return f"there is no such field or group; did you mean {same.key}?"
        suggestion = nearest(name, {*self.paths, *(group.key for group in self.groups.values())}, self.aliases)
        return f"there is no such field or group{suggestion or f'; {_manual()}'}"

    def _find_exactly(self, name: str) -> Name | None:
        return self.groups.get(name) or self.paths.get(name)

    def _find_by_last_part(self, name: str) -> list[Name]:
        return [match for path, match in self.paths.items() if path.rpartition(".")[2] == name]


def _manual() -> str:
    """Return where all names are; a platform's form can pass no flag."""
    return "conf/ has them all" if paths.is_on_platform() else f"{paths.train_command()} --help all lists them"


def _normalize(name: str) -> str:
    return name.replace("-", "_")

"""What a config has that its defaults have not, as overrides."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from trialmaker.config import config_files
from trialmaker.config.arguments import values
from trialmaker.config.fields import GROUPS, leaves
from trialmaker.platform import paths

OVERRIDE = "override /"  # before a group in the defaults of a file that chooses for it
NO_FIELDS = ("defaults", "hydra")  # of a config file


@dataclass(frozen=True)
class Difference:
    """A choice or a value that a config has and its defaults have not.

    Args:
        key: a config group, or the path of a field.
        value: the choice, or the field's value.
    """

    key: str
    value: Any

    def __str__(self) -> str:
        """Return the override that one would type."""
        return f"{self.key}={values.write(self.value)}"


def differences(
    config: Mapping[str, Any], choices: Mapping[str, str | None], directories: Iterable[Path] = ()
) -> list[Difference]:
    """Return the choices, then the fields, in which a config differs from what it would be without them.

    The fields of a chosen group or recipe are compared with the values in its file.

    Args:
        config: nested, by group.
        choices: of the config groups, as Hydra has them.
        directories: config directories that a command line adds.
    """
    recipes = {group: str(choices[group]) for group in config_files.GLOBAL_GROUPS if choices.get(group)}
    files = [config_files.read(path) for name in recipes.items() if (path := config_files.find(*name, directories))]
    expected = _default_choices([config_files.read(paths.CONF / "config.yaml"), *files])
    chosen = {group: str(choices.get(group)) for group in GROUPS}
    groups = {group: choice for group, choice in chosen.items() if choice != expected.get(group)}
    defaults = dict(leaves(_defaults(chosen, files, directories)))
    fields = [(path, value) for path, value in leaves(dict(config)) if _plain(value) != defaults.get(path)]
    return [Difference(key, value) for key, value in [*recipes.items(), *groups.items(), *fields]]


def _default_choices(files: Sequence[DictConfig]) -> dict[str, str]:
    """Return what the defaults of files choose for each group; a later file's choice counts."""
    return dict(choice for file in files for choice in _choices(file))


def _choices(file: DictConfig) -> Iterator[tuple[str, str]]:
    for entry in OmegaConf.to_container(file).get("defaults", []):  # type: ignore[union-attr]
        for group, choice in entry.items() if isinstance(entry, dict) else ():
            yield group.removeprefix(OVERRIDE), choice


def _defaults(choices: Mapping[str, str], files: Iterable[DictConfig], directories: Iterable[Path]) -> Any:
    """Return the fields of the choices and of recipes, interpolations resolved."""
    places = {group: config_files.find(group, choice, directories) for group, choice in choices.items()}
    groups = {group: config_files.read(path) for group, path in places.items() if path}
    merged: Any = OmegaConf.merge(config_files.read(paths.CONF / "config.yaml"), groups, *files)
    fields = OmegaConf.masked_copy(merged, [key for key in merged if key not in NO_FIELDS])
    return OmegaConf.to_container(fields, resolve=True)


def _plain(value: Any) -> Any:
    """Return a field's value as a file has it, where a tuple is a list."""
    return list(value) if isinstance(value, tuple) else value

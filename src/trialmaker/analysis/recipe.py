"""A trial as a command to copy, or as a file in ``conf/experiment/``."""

import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from trialmaker.analysis.training_command import SINGLE_RUN
from trialmaker.config import config_files, received, user_files
from trialmaker.config.arguments.translation import choices
from trialmaker.errors import UserError, printable
from trialmaker.platform import paths
from trialmaker.platform.redaction import without_password


def command(words: Sequence[str]) -> str:
    """Return what to type to repeat a trial.

    Args:
        words: its overrides.
    """
    return printable(f"{paths.train_command()} {shlex.join([*words, SINGLE_RUN])}")


def write_recipe(name: str, words: Sequence[str]) -> Path:
    """Write ``conf/experiment/<name>.yaml`` for a trial, so that ``experiment=<name>`` repeats it; return its path.

    An installed package is no place to write to: then it is ``input/config/experiment/<name>.yaml`` in the root,
    without the fields that a file there may not set. A line on standard error names them.

    Args:
        words: the trial's overrides.

    Raises:
        UserError: the name cannot be that of a file, or is taken; or the study's own file cannot be found or read, or
            may not be used.
    """
    path = _folder() / "experiment" / f"{name}.yaml"
    if not re.fullmatch(r"[\w-]+", name) or path.exists() or config_files.find("experiment", name):
        raise UserError(f"--write {name}: must be a new name of letters, digits, - and _ for a file in {path.parent}")
    overrides = [one for one in OverridesParser.create().parse_overrides(list(words)) if one.key_or_group]
    groups = choices([paths.CONF])
    chosen = {one.key_or_group: str(one.value()) for one in overrides if one.key_or_group in groups}
    values = OmegaConf.create({})
    for one in overrides:
        is_secret = without_password(str(one.value())) != str(one.value())  # a recipe is for others to read
        if one.key_or_group not in groups and not one.key_or_group.startswith("hydra.") and not is_secret:
            OmegaConf.update(values, one.key_or_group, one.value())
    study = chosen.pop("sweeps", None)
    merged = _allowed(OmegaConf.merge(_study_fields(study, chosen), values))
    defaults = "".join(f"  - override /{group}: {name}\n" for group, name in chosen.items())
    head = f"# @package _global_\n# The best trial of a study: {paths.train_command()} experiment={name}\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{head}{f'defaults:{chr(10)}{defaults}' * bool(defaults)}\n{OmegaConf.to_yaml(merged)}")
    return path


def _folder() -> Path:
    return paths.root() / "input" / "config" if paths.IS_INSTALLED else paths.CONF


def _allowed(values: Any) -> Any:
    """Return the values that the recipe's file may set, where it lies among those that may be somebody else's."""
    if not paths.IS_INSTALLED:
        return values
    allowed, left_out = OmegaConf.create({}), []
    content: Any = OmegaConf.to_container(values)
    for path, value in received.leaves(content):
        mistakes = list(received.mistakes({path: value}))
        left_out += [path] if mistakes else []
        if not mistakes:
            OmegaConf.update(allowed, path, value)
    if left_out:
        print(printable(f"left out: {', '.join(left_out)}, which a file in input/config may not set"), file=sys.stderr)
    return allowed


def _study_fields(name: str | None, chosen: dict[str, str]) -> dict[str, Any]:
    """Return the fields that the study's own file sets; the groups that it chooses join ``chosen``."""
    if name is None:
        return {}
    user_files.folders()  # are checked: what is written here becomes one of this project's own files
    file = config_files.find("sweeps", name)
    if file is None:
        law = "is in neither sweeps/ nor input/config/sweeps/: copy it there"
        raise UserError(f"sweeps={name}: the file of that study {law}")
    if paths.inputs().get("config") in file.parents:
        user_files.folders()  # which checks what may be somebody else's
    fields: Any = OmegaConf.to_container(config_files.read(file))
    for entry in fields.pop("defaults", []):
        ((group, choice),) = entry.items()
        if "hydra/" not in group:
            chosen.setdefault(group.removeprefix("override /"), choice)
    fields.pop("hydra", None)
    fields.pop("trial_values", None)
    return dict(fields)

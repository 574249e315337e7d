"""A trial as a command to copy, or as a file in ``conf/experiment/``."""

import re
import shlex
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from trialmaker.errors import UserError
from trialmaker.platform import paths
from trialmaker.platform.redaction import without_password

SINGLE_RUN = "hydra.mode=RUN"  # a study's file asks for a study


def command(words: list[str]) -> str:
    """What to type to repeat it."""
    return shlex.join(["python", "train.py", *words, SINGLE_RUN])


def write_recipe(name: str, words: list[str]) -> Path:
    """``conf/experiment/<name>.yaml`` for it, so that ``experiment=<name>`` repeats it.

    Raises:
        UserError: the name is none for a file, or is taken.
    """
    path = paths.CONF / "experiment" / f"{name}.yaml"
    if not re.fullmatch(r"[\w-]+", name) or path.exists():
        raise UserError(f"--write {name}: must be a new name of letters, digits, - and _ for a file in conf/experiment")
    parsed = [override for override in OverridesParser.create().parse_overrides(words) if override.key_or_group]
    groups = {path.name for path in paths.CONF.iterdir() if path.is_dir()}
    chosen = {one.key_or_group: str(one.value()) for one in parsed if one.key_or_group in groups}
    values = OmegaConf.create({})
    for one in parsed:
        is_secret = without_password(str(one.value())) != str(one.value())  # a recipe is for others to read
        if one.key_or_group not in groups and not one.key_or_group.startswith("hydra.") and not is_secret:
            OmegaConf.update(values, one.key_or_group, one.value())
    study = chosen.pop("sweeps", None)
    merged = OmegaConf.merge(_of_study(study, chosen), values)
    defaults = "".join(f"  - override /{group}: {name}\n" for group, name in chosen.items())
    head = f"# @package _global_\n# The best trial of a study: python train.py experiment={name}\n"
    path.write_text(f"{head}{f'defaults:{chr(10)}{defaults}' * bool(defaults)}\n{OmegaConf.to_yaml(merged)}")
    return path


def _of_study(name: str | None, chosen: dict[str, str]) -> dict[str, Any]:
    """The fields that the study's own file sets; the groups that it chooses join ``chosen``."""
    if name is None:
        return {}
    fields: Any = OmegaConf.to_container(OmegaConf.load(paths.CONF / "sweeps" / f"{name}.yaml"))
    for entry in fields.pop("defaults", []):
        ((group, choice),) = entry.items()
        if "hydra/" not in group:
            chosen.setdefault(group.removeprefix("override /"), choice)
    fields.pop("hydra", None)
    fields.pop("trial_values", None)
    return dict(fields)

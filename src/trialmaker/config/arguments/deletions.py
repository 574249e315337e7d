"""The refusal of Hydra's ``~name``: every run's config has the same fields, so that none can be deleted."""

from omegaconf import OmegaConf

from trialmaker.config import config_files
from trialmaker.config.arguments import values
from trialmaker.config.arguments.names import Name, Names
from trialmaker.config.fields import GROUPS
from trialmaker.platform import paths


def law(key: str, names: Names) -> str | None:
    """Return why a name can't be deleted, and what to type in place of it; None for what is left to Hydra.

    Args:
        key: what follows the ``~``, without a value.
        names: all names that the command line can set.
    """
    if key.startswith(("hydra.", "hydra/")) or key == "hydra":
        return None
    if group := names.groups.get(key):
        return _group_law(group)
    if names.is_section(key):
        example = next(path for path in names.paths if path.startswith(f"{key}."))
        return f"a part of the config can't be deleted; set its fields, such as {example}=…"
    name = names.find(key)
    return _field_law(name) if name else names.refusal(key)


def _group_law(group: Name) -> str | None:
    if group.key in GROUPS:
        return f"a group can't be deleted; choose one of {', '.join(group.choices)}"
    return f"nothing is chosen by {group.key}=null" if group.key == "sweeps" else None  # the other two Hydra deletes


def _field_law(name: Name) -> str:
    if any(values.stands_for_none("null", field.type) for field in name.fields):
        return f"a field can't be deleted; set it to null: {name.key}=null"
    return f"a field can't be deleted, and this one {name.expected()}; leave it out for its default{_default(name.key)}"


def _default(path: str) -> str:
    """Return the default of a field outside the groups, in brackets; "" for one that depends on the choice."""
    value = OmegaConf.to_container(config_files.read(paths.CONF / "config.yaml"), resolve=False)
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return "" if value is None or "${" in str(value) else f" ({path}={values.write(value)})"

"""The check of a defaults list that somebody else made."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from trialmaker.config.received_values import CHOICE
from trialmaker.errors import printable, shorten

GROUP_PATH = re.compile(r"/?[\w-]+(/[\w-]+)*", re.ASCII)
SWEEPER_GROUPS = ("hydra/sweeper", "hydra/sweeper/sampler", "hydra/sweeper/pruner")
DEFAULTS_LAW = "in somebody else's config, may choose from the config's groups and hydra/sweeper, without a package"


def mistakes(entries: Any) -> Iterator[str]:
    """Yield ``defaults: entry: law`` for each entry of a defaults list that chooses more than the config's own groups.

    Args:
        entries: what stands behind ``defaults:``.
    """
    for entry in entries if isinstance(entries, list) else [entries]:
        if isinstance(entry, dict) and len(entry) == 1:
            ((key, choices),) = entry.items()
            group = re.sub(r"^(override\s+|optional\s+)*", "", str(key))
        else:
            group, choices = "", entry
        if not _is_own_choice(group, choices if isinstance(choices, list) else [choices]):
            yield f"defaults: {shorten(printable(str(entry)))}: {DEFAULTS_LAW}"


def _is_own_choice(group: str, names: Sequence[Any]) -> bool:
    if group and not GROUP_PATH.fullmatch(group):
        return False
    path = group.removeprefix("/")
    if path.split("/")[0] == "hydra" and path not in SWEEPER_GROUPS:
        return False
    return all(name is None or _is_choice(name) for name in names)


def _is_choice(name: Any) -> bool:
    if not isinstance(name, str):
        return False
    parts = name.removeprefix("/").split("/")
    is_plain = ".." not in name and parts[0] != "hydra" and (len(parts) == 1 or "$" not in name)
    return is_plain and all(map(CHOICE.fullmatch, parts))

"""The fields of a choice, as its file in conf/ holds them."""

import yaml

from trialmaker.platform.paths import CONF


def values(group: str, name: str) -> dict:
    """The fields of ``conf/<group>/<name>.yaml``."""
    return dict(yaml.safe_load((CONF / group / f"{name}.yaml").read_text()))

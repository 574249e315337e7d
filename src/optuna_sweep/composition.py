"""The configs of trials, composed once for all that choose the same groups.

Hydra composes each job's config from its files, for tens of milliseconds; most trials differ in a few numbers alone.
Here those are set in a copy, in the same way as Hydra sets them.
"""

import pickle
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf


class Composer:
    """What ``load_sweep_config`` of Hydra's config loader is, for the jobs of one sweep.

    Args:
        loader: Hydra's.
        master: the sweep's own config.
    """

    def __init__(self, loader: Any, master: DictConfig) -> None:
        self.loader, self.master = loader, master
        self.parsed = lru_cache(maxsize=1024)(OverridesParser.create().parse_override)
        self.composed = lru_cache(maxsize=64)(self._compose)

    def __call__(self, lines: Sequence[str]) -> DictConfig:
        """A job's config, from its overrides."""
        overrides = [self.parsed(line) for line in lines]
        values = self._values(overrides)
        kind = _Kind(str(one.input_line) if one not in values else one.key_or_group for one in overrides)
        kind.lines = list(lines)
        config: DictConfig = pickle.loads(self.composed(kind))  # a seventh of what a deep copy takes
        ConfigLoaderImpl._apply_overrides_to_config(values, config)
        _note(overrides, config)
        OmegaConf.copy_cache(from_config=self.master, to_config=config)
        return config

    def _compose(self, kind: "_Kind") -> bytes:
        return pickle.dumps(self.loader.load_sweep_config(self.master, kind.lines))

    def _values(self, overrides: Sequence[Override]) -> list[Override]:
        """Those that can be applied after all others: no other kind of change to the config follows them."""
        values: list[Override] = []
        for override in reversed(overrides):
            if self._chooses(override):
                continue
            if not _is_value(override):
                break
            values.insert(0, override)
        return values

    def _chooses(self, override: Override) -> bool:
        """Whether it chooses a file of a group, which Hydra does before it sets any value."""
        return not isinstance(override.value(), dict) and bool(
            self.loader.repository.group_exists(override.key_or_group)
        )


def _is_value(override: Override) -> bool:
    """Whether it sets one number, text or list, in a place that is there anyway."""
    name = override.key_or_group
    is_plain = override.package is None and str(override.input_line).startswith(f"{name}=")
    return is_plain and not name.startswith("hydra.") and not isinstance(override.value(), dict)


class _Kind(tuple[str, ...]):
    """What configs are told apart by; with the overrides of the first one of its kind."""

    lines: list[str]


def _note(overrides: Sequence[Override], config: DictConfig) -> None:
    """What Hydra says of overrides in the config itself."""
    own = [override for override in overrides if not override.is_hydra_override()]
    config.hydra.overrides.task = [override.input_line for override in own]
    names = config.hydra.job.config.override_dirname
    config.hydra.job.override_dirname = get_overrides_dirname(own, names.exclude_keys, names.item_sep, names.kv_sep)

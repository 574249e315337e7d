"""The configs of trials, composed once for all that choose the same groups.

Hydra composes each job's config from its files, which takes tens of milliseconds; most trials differ in a few values
alone. Those are set in a copy here, by the private methods with which Hydra sets them: no public one sets overrides in
a config that is composed. Seen to be needed with hydra-core 1.3.8.
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
    """A cache in front of ``load_sweep_config`` of Hydra's config loader, for the jobs of one sweep.

    Args:
        loader: Hydra's config loader.
        master: the sweep's own config.
    """

    def __init__(self, loader: Any, master: DictConfig) -> None:
        self.loader, self.master = loader, master
        self._parse = lru_cache(maxsize=1024)(OverridesParser.create().parse_override)
        self._pickled = lru_cache(maxsize=64)(self._compose)

    def __call__(self, lines: Sequence[str]) -> DictConfig:
        """Return a job's config, from its overrides."""
        overrides = [self._parse(line) for line in lines]
        values = self._values(overrides)
        key = _CacheKey(str(one.input_line) if one not in values else one.key_or_group for one in overrides)
        key.lines = list(lines)
        config: DictConfig = pickle.loads(self._pickled(key))  # a seventh of what a deep copy takes
        ConfigLoaderImpl._apply_overrides_to_config(values, config)
        _record_overrides(overrides, config)
        OmegaConf.copy_cache(from_config=self.master, to_config=config)
        return config

    def _compose(self, key: "_CacheKey") -> bytes:
        return pickle.dumps(self.loader.load_sweep_config(self.master, key.lines))

    def _values(self, overrides: Sequence[Override]) -> list[Override]:
        """Return the value overrides that no other kind of change to the config follows: they can be applied last."""
        values: list[Override] = []
        for override in reversed(overrides):
            if self._chooses_group(override):
                continue
            if not _is_value(override):
                break
            values.insert(0, override)
        return values

    def _chooses_group(self, override: Override) -> bool:
        """Return whether an override chooses a file of a group, which Hydra does before it sets any value."""
        return not isinstance(override.value(), dict) and bool(
            self.loader.repository.group_exists(override.key_or_group)
        )


def _is_value(override: Override) -> bool:
    """Return whether an override sets one number, text or list, in a place that is there anyway."""
    name = override.key_or_group
    is_plain = override.package is None and str(override.input_line).startswith(f"{name}=")
    return is_plain and not name.startswith("hydra.") and not isinstance(override.value(), dict)


class _CacheKey(tuple[str, ...]):
    """The overrides of a job, those of values by name alone; ``lines`` are the job's own and no part of the key."""

    lines: list[str]


def _record_overrides(overrides: Sequence[Override], config: DictConfig) -> None:
    """Record the overrides in the config, where Hydra does."""
    own = [override for override in overrides if not override.is_hydra_override()]
    config.hydra.overrides.task = [override.input_line for override in own]
    names = config.hydra.job.config.override_dirname
    config.hydra.job.override_dirname = get_overrides_dirname(own, names.exclude_keys, names.item_sep, names.kv_sep)

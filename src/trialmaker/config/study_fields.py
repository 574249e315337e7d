"""The fields of a study, ``hydra.sweeper.…``, as the sweeper's plugin registers them with Hydra."""

import dataclasses
from functools import lru_cache
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from omegaconf import OmegaConf

PREFIX = "hydra/sweeper"


@lru_cache
def meanings() -> dict[str, str]:
    """Return the meaning of each field that a person may set, by name."""
    return {name: metadata["meaning"] for name, metadata in _metadata().items() if "meaning" in metadata}


@lru_cache
def former_names() -> dict[str, str]:
    """Return names that fields had once, with what to write today."""
    return {metadata["former"]: metadata["example"] for metadata in _metadata().values() if "former" in metadata}


def _metadata() -> dict[str, Any]:
    Plugins.instance()  # registers them
    cls: Any = OmegaConf.get_type(ConfigStore.instance().load(f"{PREFIX}/optuna.yaml").node)
    return {field.name: field.metadata for field in dataclasses.fields(cls)}


@lru_cache
def arguments(kind: str) -> list[str]:
    """Return the names of the arguments of all samplers, or all pruners.

    Args:
        kind: ``sampler`` or ``pruner``.
    """
    Plugins.instance()
    store = ConfigStore.instance()
    files = store.list(f"{PREFIX}/{kind}")
    names = {str(name) for file in files for name in store.load(f"{PREFIX}/{kind}/{file}").node}
    return sorted(name for name in names if not name.startswith("_"))

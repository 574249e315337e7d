"""The fields of a study, ``hydra.sweeper.…``, as the sweeper's plugin registers them with Hydra."""

import dataclasses
from functools import lru_cache
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from omegaconf import OmegaConf

PREFIX = "hydra/sweeper"
FORMER_SAMPLER = "optuna.samplers.MOTPESampler"


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
def own() -> tuple[str, ...]:
    """Return the fields that whoever runs the command sets, and no file that somebody else made."""
    return tuple(name for name, metadata in _metadata().items() if metadata.get("own"))


def sweeper_target() -> str:
    """Return the dotted name of the sweeper."""
    Plugins.instance()
    return str(ConfigStore.instance().load(f"{PREFIX}/optuna.yaml").node["_target_"])


@lru_cache
def targets() -> frozenset[str]:
    """Return the dotted names of Optuna's samplers and pruners, and those that they had once."""
    Plugins.instance()
    store = ConfigStore.instance()
    files = [f"{PREFIX}/{kind}/{file}" for kind in ("sampler", "pruner") for file in store.list(f"{PREFIX}/{kind}")]
    return frozenset([*(str(store.load(file).node["_target_"]) for file in files), FORMER_SAMPLER])


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

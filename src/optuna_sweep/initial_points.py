"""The points of ``hydra.sweeper.enqueue``: parameters that the first trials take, whatever the sampler."""

from collections.abc import Iterable, Mapping
from typing import Any

from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from optuna.distributions import BaseDistribution

from optuna_sweep import space
from optuna_sweep.optuna_internals import contains

Distributions = Mapping[str, BaseDistribution]


def enqueued_points(
    points: Iterable[str | Mapping[Any, Any]], config: DictConfig, distributions: Distributions
) -> list[dict[str, Any]]:
    """Return the parameters of each point, by name.

    Args:
        points: ``default`` for the config's own values, or parameters by name.
        config: the sweep's own config.
        distributions: the search space.

    Raises:
        HydraException: a parameter is not in the search space, or its value outside of it.
    """
    return [
        _config_point(config, distributions) if isinstance(point, str) else _checked_point(point, distributions)
        for point in points
    ]


def _config_point(config: DictConfig, distributions: Distributions) -> dict[str, Any]:
    """Return the config's values of the searched parameters, without those outside the search space."""
    groups = config.hydra.runtime.choices
    values = {name: space.as_choice(groups.get(name, OmegaConf.select(config, name))) for name in distributions}
    return {name: value for name, value in values.items() if contains(distributions[name], value)}


def _checked_point(point: Mapping[Any, Any], distributions: Distributions) -> dict[str, Any]:
    values = {str(name): space.as_choice(value) for name, value in point.items()}
    for name, value in values.items():
        if name not in distributions or not contains(distributions[name], value):
            raise HydraException(f"hydra.sweeper.enqueue: {name}={value} lies outside of {distributions.get(name)}")
    return values

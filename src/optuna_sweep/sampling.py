"""The sampler of each trial, and what a config may say of it."""

import inspect
import itertools
import logging
import math
import random
from collections.abc import Callable, Mapping
from typing import Any

import optuna
from hydra.errors import HydraException
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf
from optuna.distributions import BaseDistribution
from optuna.search_space import IntersectionSearchSpace

from optuna_sweep.space import grid

WHOLE_STUDY_SAMPLERS = ("GridSampler", "QMCSampler", "BruteForceSampler")  # their order is one for the whole study
RENAMED = {"optuna.samplers.MOTPESampler": "optuna.samplers.TPESampler", "n_ehvi_candidates": "n_ei_candidates"}

log = logging.getLogger(__name__)


def fitting(config: DictConfig, what: str) -> dict[str, Any]:
    """A config with only those arguments that its ``_target_`` takes.

    A sweep file sets arguments of the sampler and the pruner that it chose itself; the command line may choose others.
    """
    _check(config, what)
    held: Any = OmegaConf.to_container(config, resolve=True)
    taken = inspect.signature(get_object(held["_target_"])).parameters
    if any(name.kind == inspect.Parameter.VAR_KEYWORD for name in taken.values()):
        return dict(held)
    for name, value in held.items():
        if isinstance(value, str) and name in taken and isinstance(taken[name].default, int | float):
            raise HydraException(f"hydra.sweeper.{what}.{name}={value}: must be a number")
    strange = {str(name) for name in held if not name.startswith("_")} - set(taken)
    if strange:
        kind = held["_target_"].rpartition(".")[2]
        log.warning(f"hydra.sweeper.{what}: {kind} does not take {', '.join(sorted(strange))}: left out")
    return {name: value for name, value in held.items() if name not in strange}


def _check(config: Any, what: str) -> None:
    if not OmegaConf.is_dict(config) or "_target_" not in config:
        raise HydraException(f"hydra.sweeper.{what}={config}: write hydra/sweeper/{what}={config} to choose one")


class Sampling:
    """Makes samplers.

    Args:
        config: ``hydra.sweeper.sampler``; names that Optuna gave up mean what took their place.
        drawn: the search space, for samplers that must know it before.
    """

    def __init__(self, config: DictConfig, drawn: Mapping[str, BaseDistribution]) -> None:
        _check(config, "sampler")
        renamed = {RENAMED.get(str(name), name): RENAMED.get(str(value), value) for name, value in config.items()}
        self.config = fitting(OmegaConf.create(renamed), "sampler")
        self.kind = str(self.config["_target_"]).rpartition(".")[2]
        self.points: list[dict[str, Any]] = []
        self.most: float = math.inf
        if self.kind == "BruteForceSampler" and drawn:
            self.most = math.prod(len(grid(name, distribution)) for name, distribution in drawn.items())
        if self.kind == "GridSampler":
            values = {name: grid(name, distribution) for name, distribution in drawn.items()}
            self.config["search_space"] = values
            self.points = [dict(zip(values, point, strict=True)) for point in itertools.product(*values.values())]
            random.Random(self.config.get("seed") or 0).shuffle(self.points)
            self.most = len(self.points)

        self.make: Callable[..., optuna.samplers.BaseSampler] = instantiate(self.config, _partial_=True)
        try:
            self.first = self.make()
        except (TypeError, ValueError) as error:  # Optuna's own laws
            raise HydraException(f"hydra.sweeper.sampler: {error}") from error

    def __call__(self, number: int) -> optuna.samplers.BaseSampler:
        """One for each trial, seeded by its number: a study that is resumed does not draw again what it drew."""
        seed = self.config.get("seed")
        if seed is None or self.kind in WHOLE_STUDY_SAMPLERS:
            return self.first
        sampler = self.make(seed=(int(seed) * 1_000_003 + number) % 2**32)
        known = getattr(self.first, "_search_space", None)
        if isinstance(known, IntersectionSearchSpace):  # what all trials have in common: found again, it takes longer
            sampler._search_space = known  # type: ignore[attr-defined]
        return sampler

    def first_points(self, known: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What the first trials take: the known points, and then all of a grid, which is gone through once."""
        return known + [point for point in self.points if point not in known]

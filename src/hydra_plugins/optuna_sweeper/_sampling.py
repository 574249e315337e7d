"""The sampler of each trial, and what a config may say of it."""

import inspect
import itertools
import logging
import random
from collections.abc import Callable, Mapping
from typing import Any

import optuna
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf
from optuna.distributions import BaseDistribution
from optuna.search_space import IntersectionSearchSpace

from hydra_plugins.optuna_sweeper._space import grid

OF_THE_WHOLE = ("GridSampler", "QMCSampler", "BruteForceSampler")  # their order is one for the whole study
RENAMED = {"optuna.samplers.MOTPESampler": "optuna.samplers.TPESampler", "n_ehvi_candidates": "n_ei_candidates"}

log = logging.getLogger(__name__)


def fitting(config: DictConfig, what: str) -> dict[str, Any]:
    """A config with only those arguments that its ``_target_`` takes.

    A sweep file sets arguments of the sampler and the pruner that it chose itself; the command line may choose others.
    """
    held: Any = OmegaConf.to_container(config, resolve=True)
    names = inspect.signature(get_object(held["_target_"])).parameters.values()
    if any(name.kind == inspect.Parameter.VAR_KEYWORD for name in names):
        return dict(held)
    strange = {str(name) for name in held if not name.startswith("_")} - {name.name for name in names}
    if strange:
        kind = held["_target_"].rpartition(".")[2]
        log.warning(f"hydra.sweeper.{what}: {kind} does not take {', '.join(sorted(strange))}: left out")
    return {name: value for name, value in held.items() if name not in strange}


class Sampling:
    """Makes samplers.

    Args:
        config: ``hydra.sweeper.sampler``; names that Optuna gave up mean what took their place.
        drawn: the search space, for samplers that must know it before.
    """

    def __init__(self, config: DictConfig, drawn: Mapping[str, BaseDistribution]) -> None:
        renamed = {RENAMED.get(str(name), name): RENAMED.get(str(value), value) for name, value in config.items()}
        self.config = fitting(OmegaConf.create(renamed), "sampler")
        self.kind = str(self.config["_target_"]).rpartition(".")[2]
        self.points: list[dict[str, Any]] = []
        if self.kind == "GridSampler":
            values = {name: grid(name, distribution) for name, distribution in drawn.items()}
            self.config["search_space"] = values
            self.points = [dict(zip(values, point, strict=True)) for point in itertools.product(*values.values())]
            random.Random(self.config.get("seed") or 0).shuffle(self.points)

        self.make: Callable[..., optuna.samplers.BaseSampler] = instantiate(self.config, _partial_=True)
        self.first = self.make()

    def __call__(self, number: int) -> optuna.samplers.BaseSampler:
        """One for each trial, seeded by its number: a study that is resumed does not draw again what it drew."""
        seed = self.config.get("seed")
        if seed is None or self.kind in OF_THE_WHOLE:
            return self.first
        sampler = self.make(seed=(int(seed) * 1_000_003 + number) % 2**32)
        known = getattr(self.first, "_search_space", None)
        if isinstance(known, IntersectionSearchSpace):  # what all trials have in common: found again, it takes longer
            sampler._search_space = known  # type: ignore[attr-defined]
        return sampler

    def first_points(self, known: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What the first trials take: the known points, and then all of a grid, which is gone through once."""
        return known + [point for point in self.points if point not in known]

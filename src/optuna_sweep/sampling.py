"""The sampler of each trial, and the checks of its config."""

import inspect
import itertools
import logging
import math
import random
from collections.abc import Callable, Collection, Mapping
from typing import Any

import optuna
from hydra.errors import HydraException
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf
from optuna.distributions import BaseDistribution

from optuna_sweep.optuna_internals import share_search_space
from optuna_sweep.space import check_size, grid_values
from optuna_sweep.validation import nearest

WHOLE_STUDY_SAMPLERS = ("GridSampler", "QMCSampler", "BruteForceSampler")  # their order is one for the whole study
RENAMED = {"optuna.samplers.MOTPESampler": "optuna.samplers.TPESampler", "n_ehvi_candidates": "n_ei_candidates"}

log = logging.getLogger(__name__)


def accepted_arguments(config: DictConfig, kind: str) -> dict[str, Any]:
    """Return a config with only those arguments that its ``_target_`` takes; warn of the others.

    A sweep file sets arguments of the sampler and the pruner that it chose itself; the command line may choose others.

    Args:
        config: ``hydra.sweeper.sampler`` or ``hydra.sweeper.pruner``.
        kind: which of them: ``sampler`` or ``pruner``.

    Raises:
        HydraException: it has no ``_target_``, a text where a number belongs, or an argument that none of Optuna's
            takes.
    """
    _check_is_chosen(config, kind)
    values: Any = OmegaConf.to_container(config, resolve=True)
    parameters = inspect.signature(get_object(values["_target_"])).parameters
    if any(parameter.kind == inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return dict(values)
    for name, value in values.items():
        if isinstance(value, str) and name in parameters and isinstance(parameters[name].default, int | float):
            law = "true or false" if isinstance(parameters[name].default, bool) else "a number"
            raise HydraException(f"hydra.sweeper.{kind}.{name}={value}: must be {law}")
    strange = {str(name) for name in values if not name.startswith("_")} - set(parameters)
    _check_arguments(strange, set(parameters), kind)
    if strange:
        target = values["_target_"].rpartition(".")[2]
        log.warning(f"hydra.sweeper.{kind}: {target} does not take {', '.join(sorted(strange))}: left out")
    return {name: value for name, value in values.items() if name not in strange}


def _check_arguments(strange: Collection[str], legal: Collection[str], kind: str) -> None:
    """Check that arguments that the chosen sampler or pruner does not take are those of another one."""
    if not strange:
        return
    classes = [one for one in vars(getattr(optuna, f"{kind}s")).values() if inspect.isclass(one)]
    known = {name for one in classes for name in inspect.signature(one).parameters} | set(RENAMED)
    for name in sorted(set(strange) - known):
        raise HydraException(f"hydra.sweeper.{kind}.{name}: there is no such argument{nearest(name, legal)}")


def _check_is_chosen(config: Any, kind: str) -> None:
    if not OmegaConf.is_dict(config) or "_target_" not in config:
        raise HydraException(f"hydra.sweeper.{kind}={config}: write hydra/sweeper/{kind}={config} to choose one")


class SamplerFactory:
    """A maker of samplers, one for each trial.

    Args:
        config: ``hydra.sweeper.sampler``; names that Optuna gave up mean what took their place.
        distributions: the search space, for samplers that must know it before.

    Attributes:
        study_sampler: the sampler that belongs to no trial.
        max_trials: how many points a finite space has; infinity for other samplers.
        grid_points: all points of a ``GridSampler``, in an order drawn by the seed; empty for other samplers.
        grid_axes: its parameters' values as text, by a name for people.

    Raises:
        HydraException: an argument is refused by Optuna, or the space has no grid.
    """

    def __init__(self, config: DictConfig, distributions: Mapping[str, BaseDistribution]) -> None:
        _check_is_chosen(config, "sampler")
        renamed = {RENAMED.get(str(name), name): RENAMED.get(str(value), value) for name, value in config.items()}
        self.config = accepted_arguments(OmegaConf.create(renamed), "sampler")
        self.class_name = str(self.config["_target_"]).rpartition(".")[2]
        self.grid_points: list[dict[str, Any]] = []
        self.grid_axes: dict[str, str] = {}
        self.max_trials: float = math.inf
        if self.class_name == "BruteForceSampler" and distributions:
            self.max_trials = math.prod(len(values) for values in _grid(distributions).values())
        if self.class_name == "GridSampler":
            self.config["search_space"] = values = _grid(distributions)
            check_size("hydra/sweeper/sampler=grid", math.prod(map(len, values.values())))
            self.grid_points = [dict(zip(values, point, strict=True)) for point in itertools.product(*values.values())]
            random.Random(self.config.get("seed") or 0).shuffle(self.grid_points)
            self.max_trials = len(self.grid_points)
            self.grid_axes = {f"grid of {name}": str(distribution) for name, distribution in distributions.items()}
        self._make: Callable[..., optuna.samplers.BaseSampler] = instantiate(self.config, _partial_=True)
        try:
            self.study_sampler = self._make()
        except (TypeError, ValueError) as error:  # Optuna's own laws
            raise HydraException(f"hydra.sweeper.sampler: {error}") from error

    def fixed(self, enqueued: list[dict[str, Any]]) -> dict[str, Any]:
        """Return what may not change while a study lasts, by name: of a grid all that numbers its points."""
        if not self.grid_points:
            return {"hydra/sweeper/sampler": "another"}
        numbering = {"hydra.sweeper.sampler.seed": self.config.get("seed"), "hydra.sweeper.enqueue": enqueued}
        return {"hydra/sweeper/sampler": "grid", **numbering, **self.grid_axes}

    def sampler(self, number: int) -> optuna.samplers.BaseSampler:
        """Return the sampler of a trial, seeded by its number, so that a resumed study draws nothing twice."""
        seed = self.config.get("seed")
        if seed is None or self.class_name in WHOLE_STUDY_SAMPLERS:
            return self.study_sampler
        sampler = self._make(seed=(int(seed) * 1_000_003 + number) % 2**32)
        share_search_space(self.study_sampler, sampler)
        return sampler

    def initial_points(self, enqueued: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the first trials' parameters: the enqueued points, then the rest of a grid, each of them once.

        A point that leaves parameters out, as the config's own values do that a grid has not, is none of a grid's.
        """
        if not self.grid_points:
            return enqueued
        whole = [point for point in enqueued if point.keys() == self.grid_points[0].keys()]
        return whole + [point for point in self.grid_points if point not in whole]


def _grid(distributions: Mapping[str, BaseDistribution]) -> dict[str, list[Any]]:
    return {name: grid_values(name, distribution) for name, distribution in distributions.items()}

"""The fields of ``hydra.sweeper``, and the arguments of samplers and pruners, beside Optuna's own signatures."""

import dataclasses
import inspect
from typing import Any

import optuna
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from hydra_plugins.optuna_sweeper.config import MEANING, PRUNERS, SAMPLERS, OptunaSweeperConf
from optuna_sweep.sampling import accepted_arguments

CHOICES = [("sampler", *choice) for choice in SAMPLERS.items()] + [("pruner", *choice) for choice in PRUNERS.items()]
# What cannot be written on a command line, with the reason.
OBJECTS = {
    **dict.fromkeys(("gamma", "weights", "constraints_func"), "a function"),
    **dict.fromkeys(("elite_population_selection_strategy", "child_generation_strategy"), "a function"),
    "after_trial_strategy": "a function",
    **dict.fromkeys(("mutation", "crossover", "independent_sampler"), "an object of Optuna's"),
    "source_trials": "trials of another study",
    "reference_points": "an array",
    "search_space": "a grid's, made of hydra.sweeper.params",
}
OTHER_DEFAULTS = {
    ("tpe", "multivariate"): True,  # Optuna decides by the other arguments
    ("percentile", "percentile"): 25.0,  # Optuna has none
    ("patient", "patience"): 1,  # Optuna has none
    ("patient", "wrapped_pruner"): {"_target_": "optuna.pruners.MedianPruner"},  # Optuna has none
}


@pytest.mark.parametrize(("kind", "name", "choice"), CHOICES)
def test_each_argument_that_optuna_takes_can_be_given(kind: str, name: str, choice: tuple[str, dict[str, Any]]) -> None:
    class_name, arguments = choice
    given = arguments | ({"seed": None} if kind == "sampler" else {})
    parameters = inspect.signature(getattr(getattr(optuna, f"{kind}s"), class_name)).parameters
    assert set(given) == set(parameters) - set(OBJECTS)
    for argument, value in given.items():
        assert value == OTHER_DEFAULTS.get((name, argument), parameters[argument].default), argument


@pytest.mark.parametrize(("kind", "name", "choice"), CHOICES)
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_each_choice_can_be_made(kind: str, name: str, choice: tuple[str, dict[str, Any]]) -> None:
    class_name, arguments = choice
    config = OmegaConf.create({"_target_": f"optuna.{kind}s.{class_name}", **arguments})
    more = {"search_space": {"x": [1]}} if name == "grid" else {}
    more |= {"lower": 0.0} if name == "threshold" else {}
    with_objects = instantiate({**accepted_arguments(config, kind), **more})
    assert type(with_objects).__name__ == class_name


def test_each_field_says_what_it_means() -> None:
    fields = {field.name: field.metadata.get(MEANING) for field in dataclasses.fields(OptunaSweeperConf)}
    silent = [name for name, meaning in fields.items() if not meaning and not name.startswith("_")]
    assert silent == ["defaults", "trial"]  # Hydra's, and the sweeper's own
    assert "whose end is not in it, as in Hydra (in hydra-optuna-sweeper it is)" in str(fields["params"])

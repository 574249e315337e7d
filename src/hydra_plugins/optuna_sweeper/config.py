"""The sweeper's configuration: Hydra's group ``hydra/sweeper``, with the groups ``sampler`` and ``pruner`` in it.

The fields of hydra-optuna-sweeper keep their names and meaning, so that a sweep file written for it runs unchanged;
but ``n_trials`` is the study's total, which the same command again completes, and ``n_jobs`` counts worker processes.
"""

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING


@dataclass
class OptunaSweeperConf:
    """The fields of ``hydra.sweeper``.

    Args:
        sampler: Optuna's, by ``_target_``.
        pruner: Optuna's, by ``_target_``.
        direction: ``minimize`` or ``maximize``, or a list of them, one per objective.
        storage: a file (Optuna's journal), or the URL of a database, or ``grpc://host:port``; null for a file in
            ``studies/`` of the current directory.
        study_name: null for the job's name.
        n_trials: how many trials the study has in the end.
        n_jobs: worker processes on this machine; 1 for this process alone. With another launcher than the basic one:
            how many trials it gets at once.
        max_failure_rate: the highest share of failed trials, in [0, 1]; more end the sweep.
        params: the search space: override, without its name, by name.
        custom_search_space: dotted path of a function of (config, trial) that suggests more parameters.
        timeout_seconds: begin no trial once this command has run for so long, or null.
        target: end when a value is at least as good, or null.
        max_consecutive_failures: end after so many failures in a row, or null.
        max_retries: how often a trial whose process died is run again.
        enqueue: points to try first: ``default`` for the config's own values, or parameters by name.
        dry_run: print the search space and the first suggestions, run nothing, store nothing.
        trial: set by the sweeper in the jobs of other launchers, whose tasks find their trial by it.
    """

    defaults: list[Any] = field(default_factory=lambda: [{"sampler": "tpe"}, {"pruner": "none"}])
    _target_: str = "hydra_plugins.optuna_sweeper.sweeper.OptunaSweeper"
    sampler: Any = MISSING
    pruner: Any = MISSING
    direction: Any = "minimize"
    storage: Any | None = None
    study_name: str | None = None
    n_trials: int = 20
    n_jobs: int = 1
    max_failure_rate: float = 0.0
    params: dict[str, Any] | None = None
    custom_search_space: str | None = None
    timeout_seconds: float | None = None
    target: float | None = None
    max_consecutive_failures: int | None = None
    max_retries: int = 2
    enqueue: list[Any] = field(default_factory=list)
    dry_run: bool = False
    trial: Any | None = None
    _recursive_: bool = False


# By name: Optuna's class, and the arguments that a person may set, with Optuna's defaults.
NSGA = {"population_size": 50, "mutation_prob": None, "crossover_prob": 0.9, "swapping_prob": 0.5}
SAMPLERS: dict[str, tuple[str, dict[str, Any]]] = {
    "tpe": (
        "TPESampler",
        {"n_startup_trials": 10, "n_ei_candidates": 24, "multivariate": True, "group": False, "constant_liar": True},
    ),
    "random": ("RandomSampler", {}),
    "cmaes": ("CmaEsSampler", {"x0": None, "sigma0": None, "n_startup_trials": 1, "restart_strategy": None}),
    "gp": ("GPSampler", {"n_startup_trials": 10, "deterministic_objective": False}),
    "nsgaii": ("NSGAIISampler", NSGA),
    "nsgaiii": ("NSGAIIISampler", NSGA | {"dividing_parameter": 3}),
    "motpe": ("TPESampler", {"n_startup_trials": 10, "n_ei_candidates": 24}),  # MOTPE is part of it today
    "qmc": ("QMCSampler", {"qmc_type": "sobol", "scramble": False}),
    "grid": ("GridSampler", {}),
    "bruteforce": ("BruteForceSampler", {}),
}
PRUNERS: dict[str, tuple[str, dict[str, Any]]] = {
    "none": ("NopPruner", {}),
    "median": ("MedianPruner", {"n_startup_trials": 5, "n_warmup_steps": 0, "interval_steps": 1, "n_min_trials": 1}),
    "percentile": (
        "PercentilePruner",
        {"percentile": 25.0, "n_startup_trials": 5, "n_warmup_steps": 0, "interval_steps": 1, "n_min_trials": 1},
    ),
    "hyperband": (
        "HyperbandPruner",
        {"min_resource": 1, "max_resource": "auto", "reduction_factor": 3, "bootstrap_count": 0},
    ),
    "successive_halving": (
        "SuccessiveHalvingPruner",
        {"min_resource": "auto", "reduction_factor": 4, "min_early_stopping_rate": 0, "bootstrap_count": 0},
    ),
    "threshold": ("ThresholdPruner", {"lower": None, "upper": None, "n_warmup_steps": 0, "interval_steps": 1}),
    "patient": (
        "PatientPruner",
        {"wrapped_pruner": {"_target_": "optuna.pruners.MedianPruner"}, "patience": 1, "min_delta": 0.0},
    ),
    "wilcoxon": ("WilcoxonPruner", {"p_threshold": 0.1, "n_startup_steps": 2}),
}


def register() -> None:
    """Register the groups with Hydra."""
    store = ConfigStore.instance()
    store.store(group="hydra/sweeper", name="optuna", node=OptunaSweeperConf, provider="optuna_sweeper")
    for kind, choices, common in (("sampler", SAMPLERS, {"seed": None}), ("pruner", PRUNERS, {})):
        for name, (target, fields) in choices.items():
            node = {"_target_": f"optuna.{kind}s.{target}", **common, **fields}
            store.store(group=f"hydra/sweeper/{kind}", name=name, node=node, provider="optuna_sweeper")

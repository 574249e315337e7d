"""The sweeper's configuration: Hydra's group ``hydra/sweeper``, with the groups ``sampler`` and ``pruner`` in it.

The fields of hydra-optuna-sweeper keep their names and meaning, so that a sweep file written for it runs unchanged;
but ``n_trials`` is the study's total, which the same command again completes, and ``n_jobs`` counts worker processes.
"""

from dataclasses import dataclass, field, fields
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

# Keys of a field's metadata.
MEANING = "meaning"  # a phrase for people
FORMER = "former"  # its name in hydra-optuna-sweeper once
EXAMPLE = "example"  # how it is written, where that has changed
OWN = "own"  # whoever runs the command sets it; a file that somebody else made may not


@dataclass
class OptunaSweeperConf:
    """The fields of ``hydra.sweeper``; the meaning of each is in its metadata."""

    defaults: list[Any] = field(default_factory=lambda: [{"sampler": "tpe"}, {"pruner": "none"}])
    _target_: str = "hydra_plugins.optuna_sweeper.sweeper.OptunaSweeper"
    sampler: Any = field(
        default=MISSING, metadata={MEANING: "hydra/sweeper/sampler=NAME chooses Optuna's; its arguments, by name"}
    )
    pruner: Any = field(
        default=MISSING, metadata={MEANING: "hydra/sweeper/pruner=NAME chooses Optuna's; its arguments, by name"}
    )
    direction: Any = field(
        default="minimize", metadata={MEANING: "minimize or maximize, or a list of them, one per objective"}
    )
    storage: Any | None = field(
        default=None,
        metadata={
            MEANING: "a file (Optuna's journal), a database's URL or grpc://host:port; null for one in studies/",
            OWN: True,
        },
    )
    serve: str | None = field(
        default=None,
        metadata={
            MEANING: "host:port on which this command serves the storage to other machines, while it runs, or null;"
            " there, storage=grpc://this-machine:port and shared=true",
            OWN: True,
        },
    )
    shared: bool = field(
        default=False,
        metadata={MEANING: "end with the study's last trial, whichever machine runs it, and run a lost one's again"},
    )
    storage_seconds: float = field(
        default=300.0, metadata={MEANING: "how long to wait for a storage grpc://… that does not answer"}
    )
    study_name: str | None = field(
        default=None,
        metadata={MEANING: "the study, which the same command goes on with; null for the application's choice"},
    )
    n_trials: int = field(
        default=20, metadata={MEANING: "trials that the study has in the end, those of earlier commands included"}
    )
    n_jobs: int = field(
        default=1,
        metadata={MEANING: "worker processes; of a launcher other than the basic one, how many trials it gets at once"},
    )
    max_failure_rate: float = field(
        default=0.0, metadata={MEANING: "highest share of failed trials, 0 to 1; more end the command"}
    )
    params: dict[str, Any] | None = field(
        default=None,
        metadata={
            MEANING: "the search space: by name, interval(low, high), choice(a, b), or range(start, end, step), whose"
            " end is not in it, as in Hydra (in hydra-optuna-sweeper it is)",
            FORMER: "search_space",
            EXAMPLE: "params: x: interval(0.0, 1.0)",
        },
    )
    custom_search_space: str | None = field(
        default=None,
        metadata={MEANING: "dotted path of a function of (config, trial) that suggests more parameters", OWN: True},
    )
    timeout_seconds: float | None = field(
        default=None, metadata={MEANING: "begin no trial once this command has run for so long, or null"}
    )
    target: float | None = field(default=None, metadata={MEANING: "end when a value is at least as good, or null"})
    max_consecutive_failures: int | None = field(
        default=None, metadata={MEANING: "end after so many failures in a row, or null"}
    )
    max_retries: int = field(default=2, metadata={MEANING: "how often a trial whose process died is run again"})
    enqueue: list[Any] = field(
        default_factory=list,
        metadata={MEANING: "points to try first: default for the config's own values, or parameters by name"},
    )
    dry_run: bool = field(
        default=False,
        metadata={MEANING: "print the search space and the first suggestions, run nothing, store nothing"},
    )
    # Set by the sweeper in the jobs of other launchers, whose tasks find their trial by it.
    trial: Any | None = field(default=None, metadata={OWN: True})
    _recursive_: bool = False


FIELDS = tuple(one.name for one in fields(OptunaSweeperConf) if MEANING in one.metadata)
FORMER_NAMES = {
    one.metadata[FORMER]: one.metadata[EXAMPLE] for one in fields(OptunaSweeperConf) if FORMER in one.metadata
}
# By name: Optuna's class, and its arguments with their defaults: Optuna's, but for TPE's multivariate, a grid's
# search_space, which is made of the params, and arguments that Optuna has no default for. Functions and objects cannot
# be written on a command line: gamma, weights, mutation, crossover and so on; a file can name them by _target_.
TPE: dict[str, Any] = {
    "consider_prior": None,
    "prior_weight": None,
    "consider_magic_clip": None,
    "consider_endpoints": None,
    "n_startup_trials": 10,
    "n_ei_candidates": 24,
    "multivariate": True,
    "group": False,
    "warn_independent_sampling": None,
    "constant_liar": True,
}
CMAES: dict[str, Any] = {
    "x0": None,
    "sigma0": None,
    "n_startup_trials": 1,
    "warn_independent_sampling": True,
    "consider_pruned_trials": False,
    "restart_strategy": None,
    "popsize": None,
    "inc_popsize": -1,
    "use_separable_cma": False,
    "with_margin": False,
    "lr_adapt": False,
}
GP = {"n_startup_trials": 10, "deterministic_objective": False, "warn_independent_sampling": True}
WARN = {"warn_asynchronous_seeding": True, "warn_independent_sampling": True}
NSGA = {"population_size": 50, "mutation_prob": None, "crossover_prob": 0.9, "swapping_prob": 0.5}
SAMPLERS: dict[str, tuple[str, dict[str, Any]]] = {
    "tpe": ("TPESampler", TPE),
    "random": ("RandomSampler", {}),
    "cmaes": ("CmaEsSampler", CMAES),
    "gp": ("GPSampler", GP),
    "nsgaii": ("NSGAIISampler", NSGA),
    "nsgaiii": ("NSGAIIISampler", NSGA | {"dividing_parameter": 3}),
    "motpe": ("TPESampler", TPE | {"multivariate": None}),  # MOTPE is part of it today
    "qmc": ("QMCSampler", {"qmc_type": "sobol", "scramble": False, **WARN}),
    "grid": ("GridSampler", {}),
    "bruteforce": ("BruteForceSampler", {"avoid_premature_stop": False}),
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
        for name, (target, arguments) in choices.items():
            node = {"_target_": f"optuna.{kind}s.{target}", **common, **arguments}
            store.store(group=f"hydra/sweeper/{kind}", name=name, node=node, provider="optuna_sweeper")

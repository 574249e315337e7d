"""A look at a sweep that runs and stores nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import TrialState

from optuna_sweep.live_table import printable
from optuna_sweep.location import displayed
from optuna_sweep.study import Study
from optuna_sweep.suggestion import Suggester

TRIAL_COUNT = 5  # of which the suggestions are printed


def print_first_trials(
    suggester: Suggester,
    directions: Sequence[StudyDirection],
    n_trials: int,
    initial_points: Sequence[Mapping[str, Any]],
) -> None:
    """Print the search space and the overrides of the first trials, each suggested as if those before it had failed."""
    storage, pruner = optuna.storages.InMemoryStorage(), optuna.pruners.NopPruner()
    study = Study(storage, suggester.name, directions, TRIAL_COUNT, 0, pruner, initial_points)
    study.prepare()
    print(printable(f"study {suggester.name} in {displayed(suggester.place)}: {n_trials} trials"))
    for name, distribution in suggester.space.distributions.items():
        print(printable(f"    {name}: {distribution}"))
    while trial := study.claim(suggester.samplers.study_sampler):
        print(printable(f"trial {trial.number}: {' '.join(suggester.overrides(study, trial))}"))
        study.tell(trial, TrialState.FAIL, error="dry run")

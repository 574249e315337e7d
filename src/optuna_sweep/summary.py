"""The end of a sweep: counts, the best trial and what mattered."""

import logging
import re
import shlex
import sys
import warnings
from pathlib import Path
from typing import Any

import optuna
from omegaconf import OmegaConf
from optuna.trial import FrozenTrial, TrialState

from optuna_sweep.progress import PASSWORD, values_text
from optuna_sweep.study import OVERRIDES, Study

log = logging.getLogger(__name__)


def write_summary(study: Study, name: str, directory: Path) -> None:
    """The end of a sweep: counts, the best value, how to repeat it, what mattered.

    ``optimization_results.yaml`` in the directory is what hydra-optuna-sweeper writes there.
    """
    trials = study.trials()
    counts = ", ".join(
        f"{sum(trial.state == state for trial in trials)} {state.name}"
        for state in TrialState
        if any(trial.state == state for trial in trials)
    )
    log.info(f"study {name}: {counts}")
    for trial in study.best():
        log.info(f"best trial={trial.number} value={values_text(trial)}")
        log.info(f"to repeat it: {re.sub(PASSWORD, '://***@', command(trial))}")
    if study.best():
        directory.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(OmegaConf.create(_results(study)), directory / "optimization_results.yaml")
    if importances := _importances(study):
        log.info("importance: " + ", ".join(f"{name} {share:.0%}" for name, share in importances.items()))


def _results(study: Study) -> dict[str, Any]:
    best = study.best()
    if len(study.study.directions) > 1:
        return {"name": "optuna", "solutions": [{"params": trial.params, "values": trial.values} for trial in best]}
    return {"name": "optuna", "best_params": best[0].params, "best_value": best[0].value}


def command(trial: FrozenTrial) -> str:
    """What to type to run a trial's job again, alone."""
    return shlex.join(["python", sys.argv[0], *trial.user_attrs.get(OVERRIDES, []), "hydra.mode=RUN"])


def _importances(study: Study) -> dict[str, float]:
    done = study.trials(TrialState.COMPLETE)
    if len(study.study.directions) > 1 or len(done) < 4:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return dict(optuna.importance.get_param_importances(study.study))
        except (ValueError, RuntimeError):  # all values are equal, or no parameter is in all trials
            return {}

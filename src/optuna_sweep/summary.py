"""The end of a sweep: counts, the best trial, and which parameters mattered."""

import logging
import shlex
import sys
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from optuna.trial import FrozenTrial, TrialState

from optuna_sweep.attributes import IMPORTANCE, OVERRIDES
from optuna_sweep.importance import counted_study, counts_text, importances
from optuna_sweep.location import without_credentials
from optuna_sweep.progress import values_text
from optuna_sweep.study import Study

log = logging.getLogger(__name__)


def write_summary(study: Study, name: str, directory: Path) -> None:
    """Log how a study stands: counts by state, the best trials, their commands, the parameters' importances.

    Args:
        study: perhaps with trials that still wait.
        name: the study's.
        directory: gets ``optimization_results.yaml``, as hydra-optuna-sweeper writes it.
    """
    trials = study.trials()
    counts = {state.name: sum(trial.state == state for trial in trials) for state in TrialState}
    log.info(f"study {name}: " + ", ".join(f"{count} {state}" for state, count in counts.items() if count))
    for trial in study.best():
        values = values_text(study, trial)
        log.info(f"best trial={trial.number} {values if study.study.metric_names else f'value={values}'}")
        log.info(f"to repeat it: {command(trial)}")
    if study.best():
        directory.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(OmegaConf.create(_results(study)), directory / "optimization_results.yaml")
    counted = counted_study(study.trials(), study.study.directions)
    if shares := importances(counted):
        study.study.set_user_attr(IMPORTANCE, shares)
        text = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
        log.info(f"importance, from {counts_text(counted)}: {text}")


def command(trial: FrozenTrial) -> str:
    """Return the command that runs a trial's job again, alone; names and passwords in addresses are ``***``."""
    program = ["python", sys.argv[0]] if sys.argv[0].endswith(".py") else [sys.argv[0]]
    words = [*program, *trial.user_attrs.get(OVERRIDES, []), "hydra.mode=RUN"]
    return without_credentials(shlex.join(words))


def _results(study: Study) -> dict[str, Any]:
    best = study.best()
    if len(study.study.directions) > 1:
        return {"name": "optuna", "solutions": [{"params": trial.params, "values": trial.values} for trial in best]}
    return {"name": "optuna", "best_params": best[0].params, "best_value": best[0].value}

"""Studies as one row each, which shows their best trial."""

from collections.abc import Sequence
from dataclasses import replace

from trialmaker.analysis.run_table import counted
from trialmaker.analysis.store.runs import Run

BEST_TRIAL_TAG = "trialmaker.best_run_id"
PARENT_TAG = "mlflow.parentRunId"
TRIAL_COUNT_PREFIX = "trialmaker.trials."


def as_best_trials(runs: Sequence[Run], everything: Sequence[Run]) -> list[Run]:
    """Return the runs, each study with the id, the parameters and the metrics of its best trial.

    Args:
        runs: the runs.
        everything: all runs, trials included.
    """
    trials: dict[str, list[Run]] = {}
    for run in everything:
        if run.is_trial:
            trials.setdefault(run.tags[PARENT_TAG], []).append(run)
    return [_as_best_trial(run, trials.get(run.run_id, [])) if run.is_study else run for run in runs]


def without_repeats(runs: Sequence[Run]) -> list[Run]:
    """Return the runs without the studies whose best trial is among them."""
    present = {run.run_id for run in runs if not run.is_study}
    return [run for run in runs if not (run.is_study and run.run_id in present)]


def _as_best_trial(study: Run, trials: Sequence[Run]) -> Run:
    best = _best(study, trials)
    if best is None:
        return study
    counts = [value for name, value in study.tags.items() if name.startswith(TRIAL_COUNT_PREFIX)]
    total = sum(int(count) for count in counts if count.isdecimal()) or len(trials)
    name = f"{study.name}: best of {counted(total, 'trial')}{_end_of(trials)}"
    value = study.best if best.best is None else best.best
    metrics = {**best.metrics, **study.metrics}
    return replace(study, run_id=best.run_id, name=name, params=best.params, metrics=metrics, best=value)


def _best(study: Run, trials: Sequence[Run]) -> Run | None:
    """Return the trial that the study names, else the best that finished, else that of the best last value."""
    named = [run for run in trials if run.run_id == study.tags.get(BEST_TRIAL_TAG)]
    if named:
        return named[0]
    finished = [run for run in trials if run.status == "FINISHED" and run.best is not None]
    return min(finished or trials, key=lambda run: run.rank if finished else _last_rank(run), default=None)


def _last_rank(run: Run) -> tuple[bool, float]:
    return replace(run, best=run.metrics.get(run.objective.name)).rank


def _end_of(trials: Sequence[Run]) -> str:
    """Return how all trials ended, where none was finished and all were pruned."""
    return ", all pruned" if all(run.tags.get("trialmaker.trial_state") == "PRUNED" for run in trials) else ""

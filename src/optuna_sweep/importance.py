"""Which parameters mattered, and the trials that say so: completed ones, and pruned ones by their last report."""

import math
import warnings
from collections.abc import Sequence

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from optuna_sweep.optuna_internals import hidden_scikit_learn

with hidden_scikit_learn():
    import optuna.importance

MIN_TRIALS = 10  # that count; fewer show chance
PRUNED_MARK = "pruned"  # a constraint, which pruned trials break: Optuna's plots draw such trials apart


def counted_study(
    trials: Sequence[FrozenTrial], directions: Sequence[StudyDirection], *, is_marked: bool = True
) -> optuna.Study:
    """Return a copy of a study in memory, whose pruned trials are complete, with their last report.

    Optuna leaves pruned trials out of its importances and of most plots. A trial that has no finite value is a failed
    one in the copy, so that all trials keep their numbers.

    Args:
        trials: all of the study, in the order of their numbers.
        directions: one per objective.
        is_marked: whether pruned trials break a constraint, by which they are told from the others.
    """
    study = optuna.create_study(directions=list(directions))
    study.add_trials([_counted(trial, is_marked) for trial in trials])
    return study


def trial_counts(study: optuna.Study) -> tuple[int, int]:
    """Return how many trials of ``counted_study`` count, and how many of them were pruned."""
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return len(trials), sum(trial.constraints[PRUNED_MARK] > 0 for trial in trials)


def counts_text(study: optuna.Study) -> str:
    """Return how many trials of ``counted_study`` count, as a phrase."""
    count, pruned = trial_counts(study)
    return f"{count} trials" + (f", {pruned} of them pruned, which count by their last value" if pruned else "")


def importances(study: optuna.Study) -> dict[str, float]:
    """Return each parameter's share of the importance, the greatest first; nothing where it cannot be measured.

    Args:
        study: as ``counted_study`` returns it; it is not measured on fewer trials than ``MIN_TRIALS``.
    """
    if trial_counts(study)[0] < MIN_TRIALS:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            raw = optuna.importance.get_param_importances(study, normalize=False)
        except (ValueError, RuntimeError):  # no parameter is in all trials
            return {}
    total = sum(raw.values())  # Optuna itself would give equal shares of nothing
    return {name: value / total for name, value in raw.items()} if total else {}


def _counted(trial: FrozenTrial, is_marked: bool) -> FrozenTrial:
    values = trial.values
    if trial.state == TrialState.PRUNED and trial.last_step is not None:
        values = [trial.intermediate_values[trial.last_step]]
    if trial.state not in (TrialState.COMPLETE, TrialState.PRUNED) or not values or not all(map(math.isfinite, values)):
        return create_trial(state=TrialState.FAIL)
    return create_trial(
        values=values,
        params=trial.params,
        distributions=trial.distributions,
        intermediate_values=trial.intermediate_values,
        constraints={PRUNED_MARK: float(trial.state == TrialState.PRUNED)} if is_marked else None,
    )

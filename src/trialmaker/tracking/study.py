"""A study's own MLflow run: the parent of its trials' runs, with the study's result."""

import math
from collections.abc import Mapping

import mlflow
import optuna
from optuna.trial import TrialState

from optuna_sweep.attributes import IMPORTANCE
from optuna_sweep.importance import MIN_TRIALS, counted_study, trial_counts
from optuna_sweep.storage import open_storage
from trialmaker.tracking import experiment_view, experiments
from trialmaker.tracking.messages import StudyDone
from trialmaker.tracking.run_list import TEST_METRICS
from trialmaker.tracking.settings import END_TAG, TRIAL_TAG

PLOTS_FILE = "study/plots.html"


def record(client: mlflow.MlflowClient, done: StudyDone, time: int) -> str:
    """Log a study's best parameters, metrics and plots in its run, and end the run. Again, it changes nothing.

    Args:
        client: of the store.
        done: the study's result.
        time: when it was recorded, milliseconds since 1970.

    Returns:
        The run's id.
    """
    experiment_id, run_id = experiments.experiment_and_parent(client, done.start)
    study = optuna.load_study(study_name=str(done.start.study), storage=open_storage(done.storage))
    for name, value in _result_tags(client, experiment_id, run_id, study).items():
        client.set_tag(run_id, name, value)
    best = _best_value(study, done.objective)
    for name, metric in (_outdated(client.get_run(run_id).data.metrics, best) | best | done.metrics).items():
        client.log_metric(run_id, name, metric, time)
    _log_plots(client, run_id, study, done.objective)
    experiment_view.refresh(client, experiment_id, done.start)
    if END_TAG in client.get_run(run_id).data.tags:  # of an earlier command, whose processes vanished
        client.delete_tag(run_id, END_TAG)
    client.set_terminated(run_id, "FINISHED", time)
    return run_id


def import_plotting(trial: int) -> None:
    """Import what draws the plots, which takes a second, during a trial that may be the last one of its study.

    Args:
        trial: its number, from 0; a study of fewer trials than ``MIN_TRIALS`` has no plots.
    """
    if trial >= MIN_TRIALS - 1:
        from trialmaker.tracking import study_page  # noqa: F401


def _best_value(study: optuna.Study, objective: str | None) -> dict[str, float]:
    has_best = objective is not None and study.get_trials(False, (TrialState.COMPLETE,))
    return {f"best_{objective}": study.best_value} if has_best else {}


def _outdated(earlier: Mapping[str, float], best: Mapping[str, float]) -> dict[str, float]:
    """Return NaN for the test metrics that an earlier command recorded, if the best value is another one since."""
    is_same = all(earlier.get(name) == value for name, value in best.items())
    return {} if is_same else {name: math.nan for name in TEST_METRICS if name in earlier}


def _result_tags(client: mlflow.MlflowClient, experiment_id: str, run_id: str, study: optuna.Study) -> dict[str, str]:
    """Return how many trials ended in each state, and for one objective the best trial with its parameters."""
    counts = {state.name: len(study.get_trials(False, (state,))) for state in TrialState}
    tags = {f"trialmaker.trials.{name}": str(count) for name, count in counts.items() if count}
    if counts["COMPLETE"] and len(study.directions) == 1:
        best = study.best_trial
        tags |= {f"best.{name}": str(value) for name, value in best.params.items()}
        tags |= {"trialmaker.best_trial": str(best.number), "trialmaker.best_value": f"{best.value:.6g}"}
        children = client.search_runs(
            [experiment_id], f"tags.`mlflow.parentRunId` = '{run_id}' and tags.`{TRIAL_TAG}` = '{best.number}'"
        )
        tags |= {"trialmaker.best_run_id": children[0].info.run_id} if children else {}
    return tags


def _log_plots(client: mlflow.MlflowClient, run_id: str, study: optuna.Study, objective: str | None) -> None:
    """Log a page with the study's plots, unless too few trials count."""
    trials = study.get_trials(deepcopy=False)
    if trial_counts(counted_study(trials, study.directions))[0] < MIN_TRIALS:
        return
    from trialmaker.tracking.study_page import StudyPage  # plotly, which few studies need

    count = len(study.directions)
    unnamed = [f"objective {at}" for at in range(1, count + 1)] if count > 1 else [objective or "objective"]
    names = study.metric_names or unnamed
    page = StudyPage(study.study_name, trials, study.directions, names, study.user_attrs.get(IMPORTANCE, {}))
    client.log_text(run_id, page.render(), PLOTS_FILE)

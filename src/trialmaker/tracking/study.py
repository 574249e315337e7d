"""A study's own MLflow run: the parent of its trials' runs, with what it found."""

import importlib
import warnings
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import mlflow
import optuna
from mlflow.entities import ViewType
from optuna.trial import TrialState

from optuna_sweep.storage import open_storage
from trialmaker.tracking.messages import Start, StudyDone

STUDY_TAG, TRIAL_TAG, STATE_TAG = "trialmaker.study", "trialmaker.trial", "trialmaker.trial_state"
COMPLETE = (TrialState.COMPLETE,)
CROPPED = {"bbox_inches": "tight", "dpi": 100}
MOST_NAMES = 12  # in a legend


def parent(client: mlflow.MlflowClient, experiment_id: str, start: Start) -> str:
    """The id of the study's run, which is made when its first trial begins. Call it under a lock."""
    wanted = f"tags.`{STUDY_TAG}` = '{start.study}'"
    found = client.search_runs([experiment_id], wanted, ViewType.ACTIVE_ONLY, max_results=1)
    if found:
        return str(found[0].info.run_id)
    return str(client.create_run(experiment_id, run_name=start.study, tags={STUDY_TAG: str(start.study)}).info.run_id)


def record(done: StudyDone) -> str:
    """Log the best parameters and the pictures; the id of the study's run."""
    start = done.start
    mlflow.set_tracking_uri(start.store)
    client = mlflow.MlflowClient(start.store)
    experiment = client.get_experiment_by_name(start.experiment)
    if experiment is None:
        raise RuntimeError(f"no trial made the experiment {start.experiment}")
    run_id = parent(client, experiment.experiment_id, start)
    study = optuna.load_study(study_name=str(start.study), storage=open_storage(done.storage))
    for name, value in _found(client, experiment.experiment_id, run_id, study).items():
        client.set_tag(run_id, name, value)
    objective = start.params["objective"] if start.params["trial_values"] == "None" else ""
    best = {f"best_{objective}": study.best_value} if objective and study.get_trials(False, COMPLETE) else {}
    for name, metric in (best | done.metrics).items():
        client.log_metric(run_id, name, metric)
    for name, figure in _pictures(study):
        client.log_figure(run_id, figure, name, save_kwargs=CROPPED if name.endswith(".png") else None)
    client.set_terminated(run_id, "FINISHED")
    return run_id


def _found(client: mlflow.MlflowClient, experiment_id: str, run_id: str, study: optuna.Study) -> dict[str, str]:
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


@lru_cache
def prepare_pictures() -> None:
    """Import what they need, which takes seconds, before the study's end."""
    importlib.import_module("optuna.visualization.matplotlib")
    importlib.import_module("optuna.importance._fanova._fanova")
    importlib.import_module("plotly.graph_objects")


def _pictures(study: optuna.Study) -> Iterator[tuple[str, Any]]:
    """Each plot as HTML and as PNG. Those that the study has too little for are left out."""
    import matplotlib.pyplot as plt
    from optuna.visualization import matplotlib as drawn

    names = ["plot_optimization_history", "plot_parallel_coordinate", "plot_slice", "plot_intermediate_values"]
    names = ["plot_pareto_front"] if len(study.directions) > 1 else [*names, "plot_param_importances"]
    for name in names:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            html = _drawn(getattr(optuna.visualization, name), study)
            axes = _drawn(getattr(drawn, name), study)
        file = f"study/{name.removeprefix('plot_')}"
        if html is not None:
            yield f"{file}.html", html
        if axes is not None:
            yield f"{file}.png", _readable(plt.gcf())
            plt.close("all")


def _readable(figure: Any) -> Any:
    """Wide, and without the legend that names every trial, which leaves no room for its curves."""
    figure.set_size_inches(12, 6)
    for axes in figure.axes:
        if (legend := axes.get_legend()) and len(legend.get_texts()) > MOST_NAMES:
            legend.remove()
    return figure


def _drawn(draw: Callable[..., Any], study: optuna.Study) -> Any:
    try:
        return draw(study)
    except (ValueError, RuntimeError):
        return None

"""A study's own MLflow run: the parent of its trials' runs, with the study's result."""

import importlib
import warnings
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import mlflow
import optuna
from optuna.trial import TrialState

from optuna_sweep.storage import open_storage
from trialmaker.tracking import experiment_view, experiments
from trialmaker.tracking.messages import StudyDone
from trialmaker.tracking.settings import TRIAL_TAG

PNG_OPTIONS = {"bbox_inches": "tight", "dpi": 100}
MAX_LEGEND_ENTRIES = 12
PLOTS = ("plot_optimization_history", "plot_parallel_coordinate", "plot_slice", "plot_intermediate_values")
PLOTS_OF_ONE_OBJECTIVE = (*PLOTS, "plot_param_importances")
PLOTS_OF_MORE_OBJECTIVES = ("plot_pareto_front",)


def record(done: StudyDone) -> str:
    """Log a study's best parameters, metrics and plots in its run, and end the run.

    Returns:
        The run's id.
    """
    start = done.start
    mlflow.set_tracking_uri(start.store)
    client = mlflow.MlflowClient(start.store)
    experiment = client.get_experiment_by_name(start.experiment)
    if experiment is None:
        raise RuntimeError(f"no trial made the experiment {start.experiment}")
    run_id = experiments.parent_run_id(client, experiment.experiment_id, start)
    study = optuna.load_study(study_name=str(start.study), storage=open_storage(done.storage))
    for name, value in _result_tags(client, experiment.experiment_id, run_id, study).items():
        client.set_tag(run_id, name, value)
    for name, metric in (_best_value(study, done.objective) | done.metrics).items():
        client.log_metric(run_id, name, metric)
    for name, figure in _plots(study):
        client.log_figure(run_id, figure, name, save_kwargs=PNG_OPTIONS if name.endswith(".png") else None)
    experiment_view.refresh(client, experiment.experiment_id, start)
    client.set_terminated(run_id, "FINISHED")
    return run_id


@lru_cache
def import_plotting() -> None:
    """Import the modules that draw the plots, which takes seconds, before the study's end.

    Optuna (5.0) imports ``_fanova``, and scikit-learn with it, only when importances are computed.
    """
    importlib.import_module("optuna.visualization.matplotlib")
    importlib.import_module("optuna.importance._fanova._fanova")
    importlib.import_module("plotly.graph_objects")


def _best_value(study: optuna.Study, objective: str | None) -> dict[str, float]:
    has_best = objective is not None and study.get_trials(False, (TrialState.COMPLETE,))
    return {f"best_{objective}": study.best_value} if has_best else {}


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


def _plots(study: optuna.Study) -> Iterator[tuple[str, Any]]:
    """Yield (artifact path, figure) of each plot as HTML and as PNG, without those that need more trials."""
    import matplotlib.pyplot as plt
    from optuna.visualization import matplotlib as matplotlib_plots

    for name in PLOTS_OF_MORE_OBJECTIVES if len(study.directions) > 1 else PLOTS_OF_ONE_OBJECTIVE:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            html = _plot(getattr(optuna.visualization, name), study)
            axes = _plot(getattr(matplotlib_plots, name), study)
        file = f"study/{name.removeprefix('plot_')}"
        if html is not None:
            yield f"{file}.html", html
        if axes is not None:
            yield f"{file}.png", _make_readable(plt.gcf())
            plt.close("all")


def _plot(draw: Callable[..., Any], study: optuna.Study) -> Any:
    try:
        return draw(study)
    except (ValueError, RuntimeError):  # too few trials
        return None


def _make_readable(figure: Any) -> Any:
    """Widen a figure, and remove a legend that names every trial, which leaves no room for its curves."""
    figure.set_size_inches(12, 6)
    for axes in figure.axes:
        if (legend := axes.get_legend()) and len(legend.get_texts()) > MAX_LEGEND_ENTRIES:
            legend.remove()
    return figure

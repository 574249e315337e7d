"""The views of an experiment's run list and its description, kept in the experiment's tags while runs join it."""

from contextlib import suppress

import mlflow
from mlflow.exceptions import MlflowException

from trialmaker.tracking.messages import Start
from trialmaker.tracking.run_list import NOTE_START, NOTE_TAG, VIEW_TAG, RunListView, note

MAX_RUNS = 200  # the newest, whose params are read from a store once
# Of the last run alone, which mostly is of the same experiment as the next: the view, and the tags as in the store.
_latest_views: dict[tuple[str, str], tuple[RunListView, dict[str, str]]] = {}


def add_run(client: mlflow.MlflowClient, experiment_id: str, start: Start) -> None:
    """Bring the views up to date with a run that has its params; the run stays whole where the store refuses that."""
    with suppress(MlflowException):
        view, tags = _latest_views.get((start.store, experiment_id), (None, None))
        if view:
            view.add(start.params)
        _write(client, experiment_id, start, view or _read(client, experiment_id), tags)


def refresh(client: mlflow.MlflowClient, experiment_id: str, start: Start) -> None:
    """Bring the views up to date with the runs of all processes."""
    with suppress(MlflowException):
        _write(client, experiment_id, start, _read(client, experiment_id), None)


def begin(client: mlflow.MlflowClient, experiment_id: str, start: Start) -> None:
    """Write the views before a run has its params, which are added to those of the experiment's runs."""
    with suppress(MlflowException):
        view = _read(client, experiment_id)
        view.add(start.params)
        _write(client, experiment_id, start, view, None)
    _latest_views.clear()  # at the run's end, it would count twice


def _read(client: mlflow.MlflowClient, experiment_id: str) -> RunListView:
    runs = client.search_runs([experiment_id], max_results=MAX_RUNS)
    return RunListView(run.data.params for run in reversed(runs))


def _write(
    client: mlflow.MlflowClient, experiment_id: str, start: Start, view: RunListView, tags: dict[str, str] | None
) -> None:
    """Write what differs from the experiment's tags as they are, which are read where they are not known.

    A store of our own has the description too, unless people wrote another.
    """
    tags = client.get_experiment(experiment_id).tags if tags is None else tags
    new = view.tags()
    if new and not start.uri and tags.get(NOTE_TAG, NOTE_START).startswith(NOTE_START):
        new[NOTE_TAG] = note(experiment_id, view.keys())
    for name, value in new.items():
        if tags.get(name) != value:
            client.set_experiment_tag(experiment_id, name, value)
    if new:  # the view of an objective gets another key when another one is that of most runs
        for name in [name for name in tags if name.startswith(VIEW_TAG) and name not in new]:
            client.delete_experiment_tag(experiment_id, name)
    _latest_views.clear()
    kept = {name: value for name, value in tags.items() if not name.startswith(VIEW_TAG)}
    _latest_views[start.store, experiment_id] = view, kept | new

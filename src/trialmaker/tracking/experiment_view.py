"""The view of an experiment's run list, kept in the experiment's tag while runs join it."""

from contextlib import suppress

import mlflow
from mlflow.exceptions import MlflowException

from trialmaker.tracking.messages import Start
from trialmaker.tracking.run_list import VIEW_TAG, RunListView

MAX_RUNS = 200  # the newest, whose params are read from a store once
# Of the last run alone, which mostly is of the same experiment as the next: the view, and the tag as it was written.
_latest_views: dict[tuple[str, str], tuple[RunListView, str | None]] = {}


def add_run(client: mlflow.MlflowClient, experiment_id: str, start: Start) -> None:
    """Bring the view up to date with a run that has its params; the run stays whole where the store refuses that."""
    key = (start.store, experiment_id)
    with suppress(MlflowException):
        view, written = _latest_views.get(key, (None, None))
        if view:
            view.add(start.params)
        _write(client, key, view or _read(client, experiment_id), written)


def refresh(client: mlflow.MlflowClient, experiment_id: str, start: Start) -> None:
    """Bring the view up to date with the runs of all processes."""
    with suppress(MlflowException):
        _write(client, (start.store, experiment_id), _read(client, experiment_id), None)


def _read(client: mlflow.MlflowClient, experiment_id: str) -> RunListView:
    runs = client.search_runs([experiment_id], max_results=MAX_RUNS)
    return RunListView(run.data.params for run in reversed(runs))


def _write(client: mlflow.MlflowClient, key: tuple[str, str], view: RunListView, written: str | None) -> None:
    tag = view.tag()
    if tag and tag != written:
        client.set_experiment_tag(key[1], VIEW_TAG, tag)
    _latest_views.clear()
    _latest_views[key] = view, tag

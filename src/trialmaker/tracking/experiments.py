"""The MLflow experiment that a run belongs to, and the study's run that is its parent."""

import re
import shlex
from typing import Any

import mlflow
from mlflow.entities import Experiment, ViewType
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from trialmaker.errors import UserError
from trialmaker.platform.atomic_files import locked
from trialmaker.platform.redaction import without_password
from trialmaker.tracking import experiment_view
from trialmaker.tracking.messages import Start
from trialmaker.tracking.run_list import NOTE_TAG, VIEW_TAG, RunListView
from trialmaker.tracking.settings import END_TAG, STORE_LOCK_FILE, STUDY_TAG

LOCK = STORE_LOCK_FILE
DEFAULT_ID, DEFAULT_NAME = "0", "Default"  # the experiment that MLflow makes in each new store
# (experiment id, parent run id) by (store, experiment, study); of the last run alone, which mostly is the next one's
_latest_ids: dict[tuple[str, str, str | None], tuple[str, str]] = {}


def experiment_and_parent(client: mlflow.MlflowClient, start: Start) -> tuple[str, str]:
    """Return the ids of the run's experiment and of its parent, both made if they are missing.

    Returns:
        (experiment id, parent run id); the latter is "" outside a study.
    """
    key = (start.store, start.experiment, start.study)
    if key not in _latest_ids:
        experiment_id = _experiment_id(client, start)
        mlflow.set_experiment(experiment_id=experiment_id)  # where logged models go
        with locked(start.output / LOCK):
            parent = parent_run_id(client, experiment_id, start) if start.study else ""
        _latest_ids.clear()
        _latest_ids[key] = experiment_id, parent
    return _latest_ids[key]


def forget() -> None:
    """Forget the ids of a store that was replaced."""
    _latest_ids.clear()
    experiment_view._latest_views.clear()


def parent_run_id(client: mlflow.MlflowClient, experiment_id: str, start: Start) -> str:
    """Return the id of the study's run, which is made for its first trial. Call it under a lock."""
    condition = f"tags.`{STUDY_TAG}` = '{start.study}'"
    runs = client.search_runs([experiment_id], condition, ViewType.ACTIVE_ONLY, max_results=1)
    if runs:
        if runs[0].info.status == "KILLED":  # when no process worked on the study
            client.update_run(runs[0].info.run_id, "RUNNING")
            if END_TAG in runs[0].data.tags:
                client.delete_tag(runs[0].info.run_id, END_TAG)
        return str(runs[0].info.run_id)
    name = start.run_name.removesuffix(f"/{start.trial}")
    tags = {STUDY_TAG: str(start.study), **start.tags, **note_tag(start)}
    return str(client.create_run(experiment_id, run_name=name, tags=tags).info.run_id)


def note_tag(start: Start) -> dict[str, str]:
    """Return MLflow's tag of a run's description; nothing where there is none."""
    return {MLFLOW_RUN_NOTE: start.note} if start.note else {}


def _experiment_id(client: mlflow.MlflowClient, start: Start) -> str:
    with locked(start.output / LOCK):  # else two processes would make two of one name
        experiment = client.get_experiment_by_name(start.experiment)
        if experiment and experiment.lifecycle_stage == "deleted":
            if start.uri or experiment.experiment_id != DEFAULT_ID:
                raise _deleted_experiment(experiment, start)
            client.restore_experiment(DEFAULT_ID)
        experiment_id: str = (
            experiment.experiment_id if experiment else client.create_experiment(**_new_experiment(start))
        )
        if not start.uri and not {NOTE_TAG, VIEW_TAG} <= (experiment.tags if experiment else {}).keys():
            if experiment_id != DEFAULT_ID:
                _hide_empty_default(client)
            experiment_view.begin(client, experiment_id, start)  # last, since its tags say that all this is done
        return experiment_id


def _hide_empty_default(client: mlflow.MlflowClient) -> None:
    """Delete MLflow's experiment "Default" from a store of our own, unless it has runs."""
    default = client.get_experiment_by_name(DEFAULT_NAME)
    is_shown = default and default.experiment_id == DEFAULT_ID and default.lifecycle_stage == "active"
    if is_shown and not client.search_runs([DEFAULT_ID], run_view_type=ViewType.ALL, max_results=1):
        client.delete_experiment(DEFAULT_ID)


def _deleted_experiment(experiment: Experiment, start: Start) -> UserError:
    store = shlex.quote(without_password(start.store))
    restore = f"MLFLOW_TRACKING_URI={store} mlflow experiments restore --experiment-id {experiment.experiment_id}"
    return UserError(f"the experiment {start.experiment} is deleted: {restore} restores it; or tracking.experiment=…")


def _new_experiment(start: Start) -> dict[str, Any]:
    """Return the arguments of ``create_experiment``.

    A server knows where its artifacts go; a bare database would have them in the current directory.
    """
    tags = {"mlflow.experimentKind": "custom_model_development"}  # decides which pages MLflow's UI shows
    tags |= RunListView([start.params]).tags()
    new: dict[str, Any] = {"name": start.experiment, "tags": tags}
    if start.uri and "sql" not in start.uri.partition(":")[0]:
        return new
    folder = re.sub(r"[^\w.-]+", "_", start.experiment).strip(".") or "_"
    return new | {"artifact_location": (start.output / "mlartifacts" / folder).as_uri()}

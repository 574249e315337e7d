"""A published SavedModel as an MLflow model, without importing TensorFlow.

MLflow's own ``mlflow.tensorflow.log_model`` (3.17) would load the model, and TensorFlow, to write what is written here:
the SavedModel as it is, marked as a TensorFlow 2 module. ``Model.log`` would link the epoch's metrics to the model
without the dataset, which cannot be added later, and name this process as the model's source.
"""

import importlib.metadata
import re
import shutil
import tempfile
from pathlib import Path

import mlflow.pyfunc
import mlflow.utils.requirements_utils
import numpy as np
from mlflow.entities import DatasetInput, LoggedModel, LoggedModelOutput, LoggedModelStatus, Metric, Run
from mlflow.models import Model, ModelSignature
from mlflow.types import Schema, TensorSpec

from trialmaker.platform.received_files import links_among
from trialmaker.tracking.messages import BestModel

SAVED_MODEL = "saved_model"
SOURCE_TAGS = {"mlflow.source.name": "train.py", "mlflow.source.type": "LOCAL"}
FORBIDDEN = re.compile(r"[/:.%\"']")  # in a logged model's name, by MLflow
EPOCH_TAG = "trialmaker.epoch"  # of a logged model: the epoch that it is of, by which it is found again
NOT_BY_EPOCH = ("step_", "system/")  # how names begin of metrics whose step is no epoch


def log_model(
    client: mlflow.MlflowClient, run_id: str, best: BestModel, dataset: DatasetInput | None, *, may_repeat: bool
) -> None:
    """Log the model under the run: with the run's name and params, its epoch's metrics on the dataset, an example.

    Args:
        client: of the store.
        run_id: the run's.
        best: the model.
        dataset: that of the metrics.
        may_repeat: whether an earlier call may have logged a part of it, or all.
    """
    run = client.get_run(run_id)
    model = (_find(client, run, best.epoch) if may_repeat else None) or _create(client, run, best.epoch)
    if model.status != LoggedModelStatus.READY:
        _log_files(client, run_id, model, best)
    outputs = run.outputs.model_outputs if run.outputs else []
    if not any(output.model_id == model.model_id for output in outputs):
        client.log_outputs(run_id, [LoggedModelOutput(model.model_id, best.epoch)])
    _link_metrics(client, run, model.model_id, best.epoch, dataset)


def _find(client: mlflow.MlflowClient, run: Run, epoch: int) -> LoggedModel | None:
    condition = f"source_run_id = '{run.info.run_id}'"
    models = client.search_logged_models([run.info.experiment_id], filter_string=condition)
    return next((model for model in models if model.tags.get(EPOCH_TAG) == str(epoch)), None)


def _create(client: mlflow.MlflowClient, run: Run, epoch: int) -> LoggedModel:
    name = FORBIDDEN.sub("_", str(run.info.run_name))
    tags = SOURCE_TAGS | {EPOCH_TAG: str(epoch)}
    return client.create_logged_model(run.info.experiment_id, name, run.info.run_id, tags, run.data.params)


def _log_files(client: mlflow.MlflowClient, run_id: str, model: LoggedModel, best: BestModel) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _save(
            Path(folder, "model"),
            Model(model.artifact_location, run_id, model_uuid=model.model_id, model_id=model.model_id),
            best,
        )
        client.log_model_artifacts(model.model_id, str(Path(folder, "model")))
    client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)


def _link_metrics(
    client: mlflow.MlflowClient, run: Run, model_id: str, epoch: int, dataset: DatasetInput | None
) -> None:
    """Link the epoch's metrics to the model, with their times, by which MLflow knows that the run has them already."""
    names = [name for name in run.data.metrics if not name.startswith(NOT_BY_EPOCH)]
    points = [p for name in names for p in client.get_metric_history(run.info.run_id, name) if p.step == epoch]
    data = (dataset.dataset.name, dataset.dataset.digest) if dataset else (None, None)
    metrics = [Metric(point.key, point.value, point.timestamp, epoch, model_id, *data) for point in points]
    client.log_batch(run.info.run_id, metrics)


def _save(path: Path, model: Model, best: BestModel) -> None:
    model.add_flavor("tensorflow", saved_model_dir=SAVED_MODEL, model_type="tf2-module", code=None)
    _leave_packages_unread()
    mlflow.pyfunc.save_model(
        path=path,
        mlflow_model=model,
        loader_module="mlflow.tensorflow",
        signature=_signature(best),
        input_example=best.example,
        pip_requirements=[f"{name}=={importlib.metadata.version(name)}" for name in ("mlflow", "tensorflow", "keras")],
    )
    shutil.copytree(best.directory, path / SAVED_MODEL, ignore=links_among)


def _leave_packages_unread() -> None:
    """Spare the process 0.3 s.

    MLflow (3.17) reads the lists of files of all installed packages, to learn in which package a module is whose name
    is none of a package; those that a model of ours requires are packages.
    """
    utils = mlflow.utils.requirements_utils
    utils._MODULES_TO_PACKAGES = utils._MODULES_TO_PACKAGES or {}


def _signature(best: BestModel) -> ModelSignature:
    float32 = np.dtype(np.float32)
    images = TensorSpec(float32, (-1, *best.example.shape[1:]))  # with a name, MLflow would call the model with a dict
    return ModelSignature(Schema([images]), Schema([TensorSpec(float32, (-1, best.num_classes))]))

"""A published SavedModel as an MLflow model, without importing TensorFlow."""

import importlib.metadata
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlflow.pyfunc
import numpy as np
from mlflow.models import Model, ModelSignature
from mlflow.types import Schema, TensorSpec

from trialmaker.tracking.messages import BestModel

SAVED_MODEL = "saved_model"


def log_model(run_id: str, best: BestModel) -> None:
    """Log the model under the run, with signature and input example.

    MLflow's own ``mlflow.tensorflow.save_model`` (3.17) would load the model, and TensorFlow, to write what is written
    here: the SavedModel as it is, marked as a TensorFlow 2 module. So ``Model.log`` gets a flavor that is no module of
    MLflow's: of a flavor it uses only the name and ``save_model``.
    """
    Model.log(
        artifact_path=None,
        name="model",
        flavor=SimpleNamespace(__name__="mlflow.tensorflow", save_model=_save),
        run_id=run_id,
        step=best.epoch,
        best=best,
        validate_serving_input=False,  # would load the model; a test serves it instead
    )


def _save(*, path: str, mlflow_model: Model, best: BestModel, **_: Any) -> None:
    mlflow_model.add_flavor("tensorflow", saved_model_dir=SAVED_MODEL, model_type="tf2-module", code=None)
    mlflow.pyfunc.save_model(
        path=path,
        mlflow_model=mlflow_model,
        loader_module="mlflow.tensorflow",
        signature=_signature(best),
        input_example=best.example,
        pip_requirements=[f"{name}=={importlib.metadata.version(name)}" for name in ("mlflow", "tensorflow", "keras")],
    )
    shutil.copytree(best.directory, Path(path, SAVED_MODEL))


def _signature(best: BestModel) -> ModelSignature:
    float32 = np.dtype(np.float32)
    images = TensorSpec(float32, (-1, *best.example.shape[1:]))  # with a name, MLflow would call the model with a dict
    return ModelSignature(Schema([images]), Schema([TensorSpec(float32, (-1, best.num_classes))]))

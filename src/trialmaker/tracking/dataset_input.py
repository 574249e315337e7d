"""The dataset of a run as MLflow's input of a run, without an active run.

MLflow's public ``log_input`` records in the active run of the process, which the tracking process does not have. The
client's ``log_inputs`` records in any run, but takes an entity that only ``Dataset._to_mlflow_entity``, a private
method, makes (MLflow 3.17).
"""

import numpy as np
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.meta_dataset import MetaDataset
from mlflow.entities import DatasetInput, InputTag
from mlflow.types import Schema, TensorSpec
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

from trialmaker.tracking.messages import DataUsed

DIGEST_CHARACTERS = 36  # MLflow takes no more


def dataset_input(data: DataUsed) -> DatasetInput:
    """Return the dataset with its digest and schema, as an input of training."""
    source = CodeDatasetSource(tags={"source": data.source, **{k: str(v) for k, v in data.sizes.items()}})
    schema = Schema([TensorSpec(np.dtype("uint8"), (-1, *data.input_shape), "images")])
    dataset = MetaDataset(source, data.name, data.digest[:DIGEST_CHARACTERS], schema)
    return DatasetInput(dataset._to_mlflow_entity(), [InputTag(MLFLOW_DATASET_CONTEXT, "training")])

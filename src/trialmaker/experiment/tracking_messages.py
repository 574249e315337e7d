"""What the tracking process is told of a run's data and of its model."""

from pathlib import Path
from typing import Any

import numpy as np

from trialmaker.data.splits import Dataset
from trialmaker.tracking.messages import BestModel, DataUsed
from trialmaker.training.loop import Outcome


def data_used(dataset: Dataset) -> DataUsed:
    """Return the record of a whole data set."""
    sizes = {name: len(getattr(dataset, name)) for name in ("train", "validation", "test")}
    return DataUsed(dataset.name, dataset.source, dataset.digest, sizes, dataset.input_shape)


def best_model(directory: Path, outcome: Outcome, dataset: Dataset) -> BestModel:
    """Return the record of a run's model, which lies in a directory."""
    example: Any = dataset.validation.images[:1].astype(np.float32) / 255
    return BestModel(directory, outcome.best.epoch, example, dataset.num_classes)

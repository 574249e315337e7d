"""The registry of data sets: from the name and the fields of a data config to a ``Dataset``.

To add a data set, touch three places:

1. ``data/<name>.py``: a function ``load(**fields) -> Dataset`` with keyword-only arguments.
2. `LOADERS`: its name and that function.
3. The config: a dataclass of its fields in ``config/schema.py``, listed in the type of ``Config.data``, and the values
   in ``conf/data/<name>.yaml``.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from trialmaker.data import digits, image_folders, mnist
from trialmaker.data.splits import Dataset
from trialmaker.errors import UserError

LOADERS: dict[str, Callable[..., Dataset]] = {"mnist": mnist.load, "digits": digits.load, "images": image_folders.load}


def load(*, name: str, **fields: Any) -> Dataset:
    """Load a data set, and compute its digests.

    Args:
        name: a key of `LOADERS`.
        fields: the other fields of ``conf/data/<name>.yaml``; ``directory`` may be a string, and ``height`` and
            ``width`` become the loader's ``image_size``.

    Raises:
        UserError: the files are missing or damaged, or a field is out of range.
    """
    if "directory" in fields:
        fields["directory"] = Path(fields["directory"])
    if name == "images":
        fields["image_size"] = fields.pop("height"), fields.pop("width")
    dataset = LOADERS[name](**fields)
    _check_classes(dataset)
    _ = dataset.digest, dataset.validation_digest  # cached here, on the thread that loads, not on the one that trains
    return dataset


def _check_classes(dataset: Dataset) -> None:
    labels = np.unique(dataset.train.labels)
    if len(labels) < 2:
        name = dataset.class_names[labels[0]] if len(labels) else "none"
        raise UserError(f"{dataset.source}: expected training images of at least two classes, found only {name}")

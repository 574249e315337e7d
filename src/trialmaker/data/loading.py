"""From a data config's name and fields to a ``Dataset``."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from trialmaker.data import digits, image_folders, mnist
from trialmaker.data.splits import Dataset

LOADERS: dict[str, Callable[..., Dataset]] = {"mnist": mnist.load, "digits": digits.load, "images": image_folders.load}


def load(*, name: str, **fields: Any) -> Dataset:
    """Read the data set ``name`` of ``conf/data``; ``fields`` are those of its YAML file.

    Raises:
        UserError: files are missing or broken.
    """
    if "directory" in fields:
        fields["directory"] = Path(fields["directory"])
    if name == "images":
        fields["image_size"] = fields.pop("height"), fields.pop("width")
    dataset = LOADERS[name](**fields)
    _ = dataset.digest  # cached: here, on the thread that reads, and not later on the one that trains
    return dataset

"""``python -m trialmaker request``."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from trialmaker.errors import UserError
from trialmaker.platform import paths

if TYPE_CHECKING:
    import numpy as np

    from trialmaker.data.splits import Dataset

SHADES = " .:-=+*#%@"
HELP = "ask a deployed model"
DESCRIPTION = """\
Send a test image, or a picture, to a deployed model as the platform's clients do; show it and the answer.
"""


def add_arguments(parser: ArgumentParser) -> None:
    """What may follow the command."""
    add = parser.add_argument
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--index", type=int, default=0, metavar="N", help="a test image, from 0 (default: 0)")
    what.add_argument("--image", type=Path, metavar="FILE", help="a PNG or JPEG")
    data = paths.root() / "input" / "data"
    add("--data", type=Path, default=data, metavar="DIR", help="where MNIST lies; if not there, scikit-learn's digits")
    add("--url", default="http://127.0.0.1:10000/ModelMaker/predict", metavar="URL", help="(default: %(default)s)")
    add("--ak", metavar="KEY", help="access key (default: $MODELMAKER_AK)")
    add("--sk", metavar="KEY", help="secret key, to sign with (default: $MODELMAKER_SK)")


def run(asked: Namespace) -> int:
    """Run it."""
    from trialmaker.data import image_decoding
    from trialmaker.serving import client

    keys = client.caller_keys(asked.ak, asked.sk)
    truth = None
    if asked.image:
        body, kind = client.file_body(asked.image)
        print(drawing(image_decoding.decode(asked.image, image_size=(28, 28), channels=1)))
    else:
        image, truth = example(asked.index, asked.data)
        body, kind = client.json_body(image), "application/json"
        print(drawing(image))
    answer = client.send_request(asked.url, body, kind, keys)
    if truth is not None:
        print(f"ground truth: {truth}")
    print(f"response: {json.dumps(answer)}")
    print(f"prediction: {client.likeliest_class(answer)}")
    return 0


def example(index: int, directory: Path) -> "tuple[np.ndarray, str]":
    """A test image, uint8 [H, W, C], and its class' name: of MNIST where it lies, else of scikit-learn's digits.

    Raises:
        UserError: there are fewer, or MNIST's files are broken.
    """
    dataset = _dataset(directory)
    if not 0 <= index < len(dataset.test):
        raise UserError(f"--index {index}: {dataset.name} has the test images 0 to {len(dataset.test) - 1}")
    return dataset.test.images[index], dataset.class_names[int(dataset.test.labels[index])]


def drawing(image: "np.ndarray") -> str:
    """A picture in characters, a row for two rows of pixels; grey from uint8 [H, W, C]."""
    grey = image.mean(axis=2)
    rows = grey[: len(grey) // 2 * 2].reshape(-1, 2, grey.shape[1]).mean(axis=1)
    lines = ("".join(SHADES[int(value * (len(SHADES) - 1) / 255 + 0.5)] for value in row) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _dataset(directory: Path) -> "Dataset":
    from trialmaker.data import digits, mnist

    try:
        return mnist.load(directory=directory, download=False, mirrors=(), validation_fraction=0.0, split_seed=0)
    except UserError:
        if directory.is_dir() and any(directory.rglob("*ubyte*")):
            raise
        return digits.load(validation_fraction=0.15, test_fraction=0.2, split_seed=0)

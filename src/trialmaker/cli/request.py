"""``python -m trialmaker request``."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from trialmaker.cli.command_class import PATH, Command
from trialmaker.errors import UserError, printable
from trialmaker.platform import paths

if TYPE_CHECKING:
    import numpy as np

    from trialmaker.data.splits import Dataset

DATA_FILES = ("*ubyte*", "*.npz", "*.csv", "*.zip")  # where they lie, they are meant, readable or not
SHADES = " .:-=+*#%@"  # of a drawing, from black to white
URL = "http://127.0.0.1:10000/ModelMaker/predict"


HELP = """\
Send a picture to a deployed model as the platform's clients do; print the picture, the answer, and the likeliest class.

The picture is a test image of MNIST, of scikit-learn's digits where MNIST is not there, or a file.
"""
EXAMPLES = ("request --index 3", "request --image digit.png", f"request --url {URL}")


@click.command("request", cls=Command, help=HELP, short_help="ask a deployed model", examples=EXAMPLES)
@click.option("--index", type=int, metavar="N", help="The test image, counted from 0 (default: 0).")
@click.option("--image", type=PATH, metavar="FILE", help="A picture file instead, such as a PNG or JPEG.")
@click.option(
    "--data",
    type=PATH,
    metavar="DIR",
    help="The folder with MNIST (default: workspace/input/data).",
)
@click.option("--url", default=URL, metavar="URL", help=f"The service's address (default: {URL}).")
@click.option("--ak", metavar="KEY", help="The access key (default: $MODELMAKER_AK, which 'ps' does not show).")
@click.option("--sk", metavar="KEY", help="The secret key, to sign with (default: $MODELMAKER_SK).")
def command(index: int | None, image: Path | None, data: Path | None, url: str, ak: str | None, sk: str | None) -> int:
    """Execute the command; return the exit code."""
    from trialmaker.data import image_decoding
    from trialmaker.serving import client

    if image and index is not None:
        raise UserError(f"--index {index}: leave it out, or --image {image}: one picture is sent")
    keys = client.caller_keys(ak, sk)
    truth = None
    if image:
        body, kind = client.file_body(image)
        print(draw(image_decoding.decode(image, image_size=(28, 28), channels=1)))
    else:
        pixels, truth = test_image(index or 0, data or paths.root() / "input" / "data")
        body, kind = client.json_body(pixels), "application/json"
        print(draw(pixels))
    answer = client.send_request(url, body, kind, keys)
    if truth is not None:
        print(printable(f"ground truth: {truth}"))
    print(f"response: {json.dumps(answer)}")
    print(f"prediction: {client.likeliest_class(answer)}")
    return 0


def test_image(index: int, directory: Path) -> "tuple[np.ndarray, str]":
    """Return a test image, uint8 [H, W, C], and its class' name: of MNIST, or of scikit-learn's digits.

    Args:
        index: from 0.
        directory: where MNIST may lie.

    Raises:
        UserError: there are fewer, or MNIST's files are broken.
    """
    dataset = _dataset(directory)
    if not 0 <= index < len(dataset.test):
        raise UserError(f"--index {index}: {dataset.name} has the test images 0 to {len(dataset.test) - 1}")
    return dataset.test.images[index], dataset.class_names[int(dataset.test.labels[index])]


def draw(image: "np.ndarray") -> str:
    """Return an image, uint8 [H, W, C], as characters: a line for two rows of pixels, a shade for the mean of both."""
    grey = image.mean(axis=2)
    rows = grey[: len(grey) // 2 * 2].reshape(-1, 2, grey.shape[1]).mean(axis=1)
    lines = ("".join(SHADES[int(value * (len(SHADES) - 1) / 255 + 0.5)] for value in row) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _dataset(directory: Path) -> "Dataset":
    from trialmaker.data import digits, mnist

    try:
        return mnist.load(
            directory=directory, download=False, mirrors=(), validation_fraction=0.0, test_fraction=0.15, split_seed=0
        )
    except UserError:
        if directory.is_dir() and any(path for pattern in DATA_FILES for path in directory.rglob(pattern)):
            raise
        return digits.load(validation_fraction=0.15, test_fraction=0.2, split_seed=0)

"""``python -m trialmaker request``."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

from trialmaker.platform import paths

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
    from trialmaker import asking
    from trialmaker.data import image_decoding

    keys = asking.keys(asked.ak, asked.sk)
    truth = None
    if asked.image:
        body, kind = asking.file_body(asked.image)
        print(asking.drawing(image_decoding.decode(asked.image, image_size=(28, 28), channels=1)))
    else:
        image, truth = asking.example(asked.index, asked.data)
        body, kind = asking.json_body(image), "application/json"
        print(asking.drawing(image))
    answer = asking.ask(asked.url, body, kind, keys)
    if truth is not None:
        print(f"ground truth: {truth}")
    print(f"response: {json.dumps(answer)}")
    print(f"prediction: {asking.best(answer)}")
    return 0

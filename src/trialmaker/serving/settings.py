"""The service's settings: flags of ``predict.py``, or environment variables."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trialmaker.errors import UserError
from trialmaker.platform import paths
from trialmaker.serving.authorization import Keys

EPILOG = """\
Each flag has an environment variable: --max-body is TRIALMAKER_MAX_BODY. With MODELMAKER_AK (and MODELMAKER_SK) set,
callers must name the access key, or sign with the secret key.
"""


@dataclass(frozen=True)
class Settings:
    """The service's settings, checked.

    Args:
        host: the address to listen on.
        port: the port to listen on; 0 for any free one.
        model_dir: a version, a folder of versions, or a job's output.
        name: the model's, in TensorFlow Serving's addresses.
        workers: the number of processes.
        max_body: largest body, in bytes.
        max_pixels: largest picture, in pixels.
        queue: images that may wait for the model.
        seconds: the time for a request's body to come, and again from its last byte to its answer.
        invert: whether dark strokes on light paper are inverted, for a model of digits or letters.
        keys: the caller's.
    """

    host: str
    port: int
    model_dir: Path
    name: str
    workers: int
    max_body: int
    max_pixels: int
    queue: int
    seconds: float
    invert: bool
    keys: Keys


def read(argv: Sequence[str] | None, environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings from the command line, else the environment, else the defaults.

    Args:
        argv: the command line's arguments; None for the process's own.
        environment: the environment variables.

    Raises:
        UserError: a value that cannot be used.
    """
    args = _parser(environment).parse_args(argv)
    requirements = {
        "port": (0 <= args.port <= 65535, "must be 0 to 65535 (0: any free one)"),
        "workers": (1 <= args.workers <= 64, "must be 1 to 64"),
        "max-body": (args.max_body >= 1024, "must be at least 1024 bytes"),
        "max-pixels": (args.max_pixels >= 1, "must be at least 1"),
        "queue": (args.queue >= 1, "must be at least 1"),
        "seconds": (0 < args.seconds < 1e6, "must be more than 0"),
        "name": (args.name.isidentifier(), "must be letters, digits and _"),
    }
    fields = vars(args) | {"invert": args.invert == "auto"}
    mistakes = [
        f"--{name} {fields[name.replace('-', '_')]}: {requirement}"
        for name, (is_met, requirement) in requirements.items()
        if not is_met
    ]
    access, secret = environment.get("MODELMAKER_AK", ""), environment.get("MODELMAKER_SK", "")
    if secret and not access:
        mistakes.append("MODELMAKER_SK: is set without MODELMAKER_AK; set both, or neither to serve everybody")
    if mistakes:
        raise UserError(*mistakes)
    return Settings(**fields, keys=Keys(access, secret))


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "predict.py", description="Serve the best model that training left.", epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip

    def add(name: str, default: object, text: str, value_type: type = str, **options: object) -> None:
        value = environment.get(f"TRIALMAKER_{name.upper().replace('-', '_')}") or str(default)
        parser.add_argument(f"--{name}", type=value_type, default=value, help=f"{text} (default: {default})", **options)  # type: ignore[arg-type]

    add("host", "0.0.0.0", "address to listen on", metavar="ADDRESS")
    add("port", 10000, "port to listen on", int, metavar="N")
    add("model-dir", _model_directory(), "a version, a folder of versions, or a job's output", Path, metavar="DIR")
    add("name", "model", "the model's name in /v1/models/NAME", metavar="NAME")
    add("workers", 1, "processes, each with its own model", int, metavar="N")
    add("max-body", 8_000_000, "largest request, in bytes", int, metavar="N")
    add("max-pixels", 25_000_000, "largest picture, in pixels", int, metavar="N")
    add("queue", 1024, "images that may wait for the model; more are refused with 503", int, metavar="N")
    add("seconds", 10.0, "for the body to come, and for the answer after it", float, metavar="S")
    inversion = "dark digits or letters on light paper: auto turns them round, off takes them as they are"
    add("invert", "auto", inversion, choices=("auto", "off"))
    return parser


def _model_directory() -> Path:
    """Return the folder of the model that the platform deployed; on a laptop, the output of training."""
    deployed = paths.root() / "model"
    return deployed if deployed.is_dir() else paths.root() / "output"

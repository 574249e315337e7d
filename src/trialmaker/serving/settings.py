"""The service's settings: flags of ``predict.py``, or environment variables."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from trialmaker.errors import UserError
from trialmaker.platform import paths
from trialmaker.platform.help_page import filled
from trialmaker.serving.authorization import MODES, Keys, malformed_keys

EVERYWHERE = "0.0.0.0"

PURPOSE = """\
Serve a model over HTTP, by default the best one that training left: to programs, as the platform's deployed models are
asked, and to people, who draw a digit on a page.
"""
NOTES = """\
Each option has an environment variable: --max-body is TRIALMAKER_MAX_BODY, --auth is MODELMAKER_AUTH.

Keys: with MODELMAKER_AK set, callers must send the access key; with MODELMAKER_SK set too, they must sign with the
secret key instead. --auth either lets both in, --auth ak the access key alone, which whoever sees a request can read.

Limits: at most --max-waiting images wait for the model, as many requests to be decoded, and as many connections to be
accepted; more requests are answered with 503 at once. --max-waiting and 1,000 more connections may be open in a
process: beyond them the one that has been idle longest is closed. A head has at most 100 headers and 32 kB; a body
has at most --max-body bytes, unpacked where it comes as gzip; it has --seconds to come, and its answer as long again.
"""
PIXELS_TEXT = (
    "largest picture, in pixels; of a JPEG photo up to 8 times as many; 0: by the model's input, 9 to 25 million, and"
    " up to 25 million without interlacing or unusually many scans"
)
INVERSION_TEXT = "dark digits or letters on light paper: auto turns them round, off takes them as they are"
SWITCH = {"on": True, "1": True, "true": True, "yes": True, "off": False, "0": False, "false": False, "no": False}


@dataclass(frozen=True)
class Settings:
    """The service's settings, checked.

    Args:
        host: the address to listen on.
        host_reason: why other machines may reach it; "" where that is this machine's own address by default.
        port: the port to listen on; 0 for any free one.
        model_dir: a version, a folder of versions, or a job's output.
        name: the model's, in TensorFlow Serving's addresses.
        workers: the number of processes.
        max_body: largest body, in bytes.
        max_pixels: largest picture, in pixels; 0 for what the model's input asks for.
        max_waiting: images that may wait for the model; as many connections.
        seconds: the time for a request's body to come, and again from its last byte to its answer.
        allow_tensorflow: whether a SavedModel may do more than compute, where TensorFlow must serve it.
        invert: whether dark strokes on light paper are inverted, for a model of digits or letters.
        watch: whether a new version is taken up.
        keys: the caller's.
    """

    host: str
    host_reason: str
    port: int
    model_dir: Path
    name: str
    workers: int
    max_body: int
    max_pixels: int
    max_waiting: int
    seconds: float
    allow_tensorflow: bool
    invert: bool
    watch: bool
    keys: Keys

    @property
    def local_only(self) -> bool:
        """Return whether the service is for this machine alone, because nothing said otherwise."""
        return not self.host_reason


def read(argv: Sequence[str] | None, environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings from the command line, else the environment, else the defaults.

    Args:
        argv: the command line's arguments; None for the process's own.
        environment: the environment variables.

    Raises:
        UserError: a value that cannot be used.
    """
    args = _parser(environment).parse_args(argv)
    keys, mistakes = _keys(environment, args.auth)
    mistakes = [*_unmet_requirements(args), *mistakes]
    if mistakes:
        raise UserError(*mistakes)
    switches = {"invert": args.invert == "auto", "watch": SWITCH[args.watch.lower()]}
    fields = vars(args) | switches | {"allow_tensorflow": args.allow_tensorflow == "yes"}
    host, reason = _host(args.host, keys)
    del fields["auth"]
    return Settings(**fields | {"host": host, "host_reason": reason, "keys": keys})


def _unmet_requirements(args: argparse.Namespace) -> list[str]:
    requirements = {
        "port": (0 <= args.port <= 65535, "must be 0 to 65535 (0: any free one)"),
        "workers": (1 <= args.workers <= 64, "must be 1 to 64"),
        "max-body": (args.max_body >= 1024, "must be at least 1024 bytes"),
        "max-pixels": (args.max_pixels >= 0, "must be at least 1, or 0 for what the model asks for"),
        "max-waiting": (1 <= args.max_waiting <= 65535, "must be 1 to 65535"),
        "seconds": (0 < args.seconds < 1e6, "must be more than 0"),
        "allow-tensorflow": (args.allow_tensorflow in ("yes", "no"), "must be yes or no"),
        "name": (args.name.isidentifier(), "must be letters, digits and _"),
        "invert": (args.invert in ("auto", "off"), "must be auto or off"),
        "watch": (args.watch.lower() in SWITCH, "must be on or off"),
    }
    return [
        f"--{name} {getattr(args, name.replace('-', '_'))}: {requirement}"
        for name, (is_met, requirement) in requirements.items()
        if not is_met
    ]


def _keys(environment: Mapping[str, str], mode: str) -> tuple[Keys, list[str]]:
    """Return the keys, and what is wrong with them, without showing them."""
    access, secret = environment.get("MODELMAKER_AK", ""), environment.get("MODELMAKER_SK", "")
    mistakes = malformed_keys(access, secret)
    if secret and not access:
        mistakes.append("MODELMAKER_SK: is set without MODELMAKER_AK; set both, or neither to serve everybody")
    if mode not in ("", *MODES):
        mistakes.append(f"--auth {mode} (MODELMAKER_AUTH): must be {', '.join(MODES[:-1])} or {MODES[-1]}")
    elif mode and not access:
        mistakes.append(
            f"--auth {mode} (MODELMAKER_AUTH): needs MODELMAKER_AK, which is not set; without it everybody is served"
        )
    elif mode in ("signature", "either") and not secret:
        mistakes.append(
            f"--auth {mode} (MODELMAKER_AUTH): needs MODELMAKER_SK to check signatures with, which is not set"
        )
    return (Keys(access, secret, mode), []) if not mistakes else (Keys(), mistakes)


def _host(host: str, keys: Keys) -> tuple[str, str]:
    """Return the address to listen on, and why other machines may reach it; "" for this machine alone."""
    if host:
        return host.removeprefix("[").removesuffix("]"), f"as --host {host} says"
    if paths.is_deployed():
        return EVERYWHERE, "as the platform needs it"
    return (EVERYWHERE, "since a key is set") if keys.access else ("127.0.0.1", "")


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "predict.py", description=filled(PURPOSE), epilog=f"{filled(NOTES)}\n\n{_examples()}",
        formatter_class=argparse.RawDescriptionHelpFormatter, usage="%(prog)s [OPTIONS]",
    )  # fmt: skip
    add = partial(_add, environment)
    _add_model_options(partial(add, parser.add_argument_group("Which model")))
    _add_access_options(partial(add, parser.add_argument_group("Who may ask, and where")))
    _add_limits(partial(add, parser.add_argument_group("Limits")))
    parser.add_argument("--no-watch", dest="watch", action="store_const", const="off", help=argparse.SUPPRESS)
    return parser


def _add(
    environment: Mapping[str, str], group: Any, name: str, default: object, text: str, value_type: type = str, *,
    shown: object = None, other_name: str = "", other_variable: str = "", **options: Any,
) -> None:  # fmt: skip
    """Add an option, with a default of its variable; ``shown`` is the default that the help tells."""
    variables = [f"TRIALMAKER_{name.upper().replace('-', '_')}", other_variable]
    value = next((environment[one] for one in variables if environment.get(one)), str(default))
    flags = [f"--{one}" for one in (name, other_name) if one]
    text = f"{text} (default: {default if shown is None else shown})"
    group.add_argument(*flags, type=value_type, default=value, help=text, **options)


def _add_model_options(add: "partial[None]") -> None:
    add("model-dir", _model_directory(), "a version, a folder of versions, or a job's output", Path, metavar="DIR")
    add("name", "model", "the model's name in /v1/models/NAME", metavar="NAME")
    watching = "take up a new best version in the folder within seconds: on or off; --no-watch is off"
    add("watch", "off" if paths.is_deployed() else "on", watching, nargs="?", const="on", metavar="on|off",
        shown="on, on the platform off")  # fmt: skip
    add("invert", "auto", INVERSION_TEXT, choices=("auto", "off"))
    trust = "yes: run a SavedModel that does more than compute; without model.tflite, TensorFlow serves one"
    add("allow-tensorflow", "no", trust, choices=("yes", "no"), nargs="?", const="yes")


def _add_access_options(add: "partial[None]") -> None:
    host = f"{EVERYWHERE} on the platform, or with a key set; else 127.0.0.1, which this machine alone reaches"
    add("host", "", "address to listen on", metavar="ADDRESS", shown=host)
    add("port", 10000, "port to listen on; 0: any free one", int, metavar="N")
    add("auth", "", "what callers must bring: ak, signature or either", metavar="MODE",
        other_variable="MODELMAKER_AUTH", shown="signature with MODELMAKER_SK set, else ak")  # fmt: skip


def _add_limits(add: "partial[None]") -> None:
    add("workers", 1, "processes, each with its own model", int, metavar="N")
    add("max-body", 8_000_000, "largest request, in bytes", int, metavar="N")
    add("max-pixels", 0, PIXELS_TEXT, int, metavar="N")
    add("max-waiting", 1024, "images that may wait for the model, and that one request may have; see below", int,
        metavar="N", other_name="queue", other_variable="TRIALMAKER_QUEUE")  # fmt: skip
    add("seconds", 10.0, "seconds for a request's body to come, and again for its answer", float, metavar="S")


def _examples() -> str:
    words = ("", " --port 8080", " --model-dir V0001/model", " --host 0.0.0.0 --workers 2")
    return "\n".join(["Examples:", *(f"  {paths.serve_command()}{one}" for one in words)])


def _model_directory() -> Path:
    """Return the folder of the model that the platform deployed; on a laptop, the output of training."""
    deployed = paths.root() / "model"
    return deployed if deployed.is_dir() else paths.root() / "output"

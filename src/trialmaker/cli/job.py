"""``python -m trialmaker job``."""

import shlex
from argparse import ArgumentParser, Namespace
from pathlib import Path

from trialmaker.errors import UserError
from trialmaker.platform import paths
from trialmaker.platform.emulator import job

HELP = "rehearse a platform job on this machine"
DESCRIPTION = """\
Do on this machine what the platform does with a job: copy the code that git tracks, the data and the other inputs into
a scratch directory, run train.py there in a clean environment, show its states, its log and the last values of the
monitored metrics, and keep its output.

    python -m trialmaker job --data workspace/input/data --args "--model cnn --lr 1e-3 --epochs=1"
"""


def add_arguments(parser: ArgumentParser) -> None:
    """What may follow the command."""
    add = parser.add_argument
    add("--data", type=Path, metavar="DIR", help="the data set: becomes input/data/; left out: an empty one")
    add("--args", default="", metavar="TEXT", help='the runtime parameters, e.g. "--model cnn --epochs 2"')
    add("--input", action="append", default=[], metavar="NAME=DIR", help="another input: input/NAME/; may be repeated")
    add("--instances", type=int, default=1, metavar="N", help="how many machines, 1 to 10 (default: 1)")
    add("--max-seconds", type=float, metavar="S", help="longest training time: SIGTERM, and SIGKILL 30 seconds later")
    add("--output", type=Path, metavar="DIR", help="gets a folder V0001, V0002, ... a job (default: workspace/jobs)")
    add("--code", type=Path, default=paths.PROJECT, metavar="DIR", help="another code directory than this project")
    add("--install", action="store_true", help="install requirements.txt into a fresh environment first")


def run(asked: Namespace) -> int:
    """Run it."""
    mistakes = []
    inputs = {"data": asked.data} if asked.data else {}
    for text in asked.input:
        name, _, folder = text.partition("=")
        if not name or not folder or "/" in name or name in (".", "..", *inputs):
            mistakes.append(f"--input {text}: expected NAME=DIR, with a name used once; --data is the input named data")
        inputs[name] = Path(folder)
    mistakes += [f"{path}: there is no such file or folder" for path in inputs.values() if not path.exists()]
    if not 1 <= asked.instances <= 10:
        mistakes.append(f"--instances {asked.instances}: must be 1 to 10")
    if asked.max_seconds is not None and not asked.max_seconds > 0:
        mistakes.append(f"--max-seconds {asked.max_seconds:g}: must be more than 0")
    try:
        arguments = shlex.split(asked.args)
    except ValueError as error:
        mistakes.append(f"--args {asked.args}: cannot be parted into words: {error}")
    if mistakes:
        raise UserError(*mistakes)
    return job.run(
        job.Job(
            code=asked.code.absolute(),
            arguments=arguments,
            inputs=inputs,
            instances=asked.instances,
            max_seconds=asked.max_seconds,
            output=asked.output or paths.PROJECT / "workspace" / "jobs",
            install=asked.install,
        )
    )

"""``python -m trialmaker job``."""

import shlex
from collections.abc import Sequence
from pathlib import Path

import click

from trialmaker.cli.command_class import PATH, Command
from trialmaker.errors import UserError
from trialmaker.platform import paths
from trialmaker.platform.emulator import job

HELP = """\
Do on this machine what the platform does with a job: copy the code that git tracks, the data and the other inputs into
a scratch directory, run train.py there in a clean environment, show its states, its log and the last values of the
monitored metrics, and keep its output.

\b
    python -m trialmaker job --data workspace/input/data --args "--model cnn --lr 1e-3 --epochs=1"
    python -m trialmaker job --data workspace/input/data --instances 2 --args "--sweeps mlp"

Several instances share this machine's cores; the lines of all but the first begin with their number, as in [2].
"""


@click.command("job", cls=Command, help=HELP, short_help="rehearse a platform job on this machine")
@click.option("--data", type=PATH, metavar="DIR", help="The data set: becomes input/data/ (default: none).")
@click.option("--args", "words", default="", metavar="TEXT", help='The runtime parameters: "--model cnn --epochs 2".')
@click.option("--input", "inputs", multiple=True, metavar="NAME=DIR", help="Another input: input/NAME/; repeatable.")
@click.option("--instances", type=int, default=1, metavar="N", help="How many machines, 1 to 10 (default: 1).")
@click.option(
    "--max-seconds", type=float, metavar="S", help="Longest training time: SIGTERM, and SIGKILL 30 seconds later."
)
@click.option("--output", type=PATH, metavar="DIR", help="Gets V0001, V0002, ... (default: workspace/jobs).")
@click.option("--code", type=PATH, metavar="DIR", help="Another code directory than this project.")
@click.option("--install", is_flag=True, help="Install requirements.txt into a fresh environment first.")
def command(
    data: Path | None,
    words: str,
    inputs: Sequence[str],
    instances: int,
    max_seconds: float | None,
    output: Path | None,
    code: Path | None,
    install: bool,
) -> int:
    """Execute the command; return the exit code."""
    folders, mistakes = _inputs(data, inputs)
    if not 1 <= instances <= 10:
        mistakes.append(f"--instances {instances}: must be 1 to 10")
    if max_seconds is not None and not max_seconds > 0:
        mistakes.append(f"--max-seconds {max_seconds:g}: must be more than 0")
    try:
        arguments = shlex.split(words)
    except ValueError as error:
        mistakes.append(f"--args {words}: cannot be parted into words: {error}")
    if code is None and paths.IS_INSTALLED:
        mistakes.append(
            "--code: is needed where TrialMaker is an installed package: a checkout, which a job takes along"
        )
    if mistakes:
        raise UserError(*mistakes)
    return job.run(
        job.Job(
            code=(code or paths.PROJECT).absolute(),
            arguments=arguments,
            inputs=folders,
            instances=instances,
            max_seconds=max_seconds,
            output=output or paths.root() / "jobs",
            install=install,
        )
    )


def _inputs(data: Path | None, texts: Sequence[str]) -> tuple[dict[str, Path], list[str]]:
    """Return the inputs by name, and the mistakes in them."""
    mistakes = []
    inputs = {"data": data} if data else {}
    for text in texts:
        name, _, folder = text.partition("=")
        if not name or not folder or "/" in name or name in (".", "..", *inputs):
            mistakes.append(f"--input {text}: expected NAME=DIR, with a name used once; --data is the input named data")
        inputs[name] = Path(folder)
    mistakes += [f"{path}: there is no such file or folder" for path in inputs.values() if not path.exists()]
    return inputs, mistakes

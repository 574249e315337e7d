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
Rehearse a training job on this machine: what runs by this command runs on the platform.

The code that git tracks, the data and the other inputs are copied into a scratch directory, and train.py runs there in
a clean environment. Printed are the job's states, its log, and the last values of the monitored metrics; the output is
kept in a new folder V0001, V0002, and so on.

Several instances share this machine's cores; the lines of all but the first begin with their number, as in [2].
"""
EXAMPLES = (
    'job --args "--data digits --epochs 3"',
    'job --data workspace/input/data \\\n    --args "--model cnn --epochs 1"',
    'job --data workspace/input/data --instances 2 \\\n    --args "--sweeps mlp --hydra.sweeper.n_trials 8"',
)


@click.command("job", cls=Command, help=HELP, short_help="rehearse a platform job on this machine", examples=EXAMPLES)
@click.option("--data", type=PATH, metavar="DIR", help="The data set, which becomes input/data/ (default: none).")
@click.option("--args", "words", default="", metavar="TEXT", help='The runtime parameters, such as "--model cnn".')
@click.option(
    "--input", "inputs", multiple=True, metavar="NAME=DIR", help="Another input, which becomes input/NAME/; repeatable."
)
@click.option("--instances", type=int, default=1, metavar="N", help="The number of instances, 1 to 10 (default: 1).")
@click.option(
    "--max-seconds",
    type=float,
    metavar="S",
    help="The longest training time; then SIGTERM, and 30 seconds later SIGKILL (default: none).",
)
@click.option(
    "--output", type=PATH, metavar="DIR", help="The folder that gets V0001, V0002, ... (default: workspace/jobs)."
)
@click.option(
    "--code",
    type=PATH,
    metavar="DIR",
    help="The checkout whose code runs (default: this one; an installed package has none).",
)
@click.option("--install", is_flag=True, help="Install requirements.txt into a new environment first.")
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

"""The ``trialmaker`` command: ``python -m trialmaker COMMAND``."""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from trialmaker import job, platform
from trialmaker.errors import UserError

JOB = """\
Do on this machine what the platform does with a job: copy the code that git tracks, the data and the other inputs into
a scratch directory, run train.py there in a clean environment, show its states, its log and the last values of the
monitored metrics, and keep its output.

    python -m trialmaker job --data workspace/input/data --args "--model cnn --lr 1e-3 --epochs=1"
"""
BEST = "Print the command that repeats the best trial of a study, or write a recipe for it, or run it with many seeds."
REQUEST = "Send a test image, or a picture, to a deployed model as the platform's clients do; show it and the answer."


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        the exit code: 2 for the person's mistake.
    """
    asked = _parser().parse_args(argv)
    try:
        return int(asked.command(asked))
    except UserError as error:
        for mistake in error.mistakes:
            print(f"trialmaker: error: {mistake}", file=sys.stderr)
        return error.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("trialmaker", description="Tools around train.py and predict.py.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_job(
        commands.add_parser(
            "job",
            help="rehearse a platform job on this machine",
            description=JOB,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    )
    _add_best(commands.add_parser("best", help="the best trial of a study", description=BEST))
    _add_request(commands.add_parser("request", help="ask a deployed model", description=REQUEST))
    return parser


def _add_best(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_best)
    add = parser.add_argument
    add("study", metavar="STUDY", help="its name, such as mlp, or the path of its file")
    add("--storage", metavar="URL", help="where it lies, if that is no file: hydra.sweeper.storage of the study")
    add("--trial", type=int, metavar="N", help="another trial than the best one, such as one of a Pareto front")
    add("--output", type=Path, default=platform.root() / "output", metavar="DIR", help="where studies/ lies")
    add("--write", metavar="NAME", help="write conf/experiment/NAME.yaml")
    add("--seeds", type=int, metavar="N", help="run it with the seeds 0 to N-1; mean and spread")


def _best(asked: argparse.Namespace) -> int:
    from trialmaker import best  # Optuna takes a while to import

    words = best.overrides(asked.study, asked.output, asked.storage, asked.trial)
    if asked.seeds is not None and asked.seeds < 1:
        raise UserError(f"--seeds {asked.seeds}: must be at least 1")
    if asked.write:
        print(f"wrote {best.write_recipe(asked.write, words)}; to run it: python train.py experiment={asked.write}")
    if asked.seeds:
        return best.run_with_seeds(words, asked.seeds)
    if not asked.write:
        print(best.command(words))
    return 0


def _add_request(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_request)
    add = parser.add_argument
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--index", type=int, default=0, metavar="N", help="a test image, from 0 (default: 0)")
    what.add_argument("--image", type=Path, metavar="FILE", help="a PNG or JPEG")
    data = platform.root() / "input" / "data"
    add("--data", type=Path, default=data, metavar="DIR", help="where MNIST lies; if not there, scikit-learn's digits")
    add("--url", default="http://127.0.0.1:10000/ModelMaker/predict", metavar="URL", help="(default: %(default)s)")
    add("--ak", metavar="KEY", help="access key (default: $MODELMAKER_AK)")
    add("--sk", metavar="KEY", help="secret key, to sign with (default: $MODELMAKER_SK)")


def _request(asked: argparse.Namespace) -> int:
    from trialmaker import asking
    from trialmaker.data import pictures

    keys = asking.keys(asked.ak, asked.sk)
    truth = None
    if asked.image:
        body, kind = asking.file_body(asked.image)
        print(asking.drawing(pictures.decode(asked.image, image_size=(28, 28), channels=1)))
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


def _add_job(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_job)
    add = parser.add_argument
    add("--data", type=Path, metavar="DIR", help="the data set: becomes input/data/; left out: an empty one")
    add("--args", default="", metavar="TEXT", help='the runtime parameters, e.g. "--model cnn --epochs 2"')
    add("--input", action="append", default=[], metavar="NAME=DIR", help="another input: input/NAME/; may be repeated")
    add("--instances", type=int, default=1, metavar="N", help="how many machines, 1 to 10 (default: 1)")
    add("--max-seconds", type=float, metavar="S", help="longest training time: SIGTERM, and SIGKILL 30 seconds later")
    add("--output", type=Path, metavar="DIR", help="gets a folder V0001, V0002, ... a job (default: workspace/jobs)")
    add("--code", type=Path, default=platform.PROJECT, metavar="DIR", help="another code directory than this project")
    add("--install", action="store_true", help="install requirements.txt into a fresh environment first")


def _job(asked: argparse.Namespace) -> int:
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
            output=asked.output or platform.PROJECT / "workspace" / "jobs",
            install=asked.install,
        )
    )

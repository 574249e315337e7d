"""``python -m trialmaker COMMAND``."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence

from trialmaker.cli import best, compare, job, prune, push, request, rerun, ui
from trialmaker.errors import UserError

COMMANDS = {
    "job": job,
    "best": best,
    "request": request,
    "ui": ui,
    "compare": compare,
    "push": push,
    "rerun": rerun,
    "prune": prune,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        the exit code: 2 for the person's mistake.
    """
    asked = _parser().parse_args(argv)
    try:
        code = int(COMMANDS[asked.name].run(asked))
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # who reads it has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except UserError as error:
        for mistake in error.mistakes:
            print(f"trialmaker: error: {mistake}", file=sys.stderr)
        return error.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("trialmaker", description="Tools around train.py and predict.py.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="name")
    for name, module in COMMANDS.items():
        looks = argparse.RawDescriptionHelpFormatter
        module.add_arguments(
            commands.add_parser(name, help=module.HELP, description=module.DESCRIPTION, formatter_class=looks)
        )
    return parser

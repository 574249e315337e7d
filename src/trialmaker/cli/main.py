"""``python -m trialmaker COMMAND``: each command is the ``command`` of a module of this package, named for it."""

import importlib
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from typing import Any, cast

import click
from click.shell_completion import shell_complete

from trialmaker.cli.command_class import example_lines
from trialmaker.errors import UserError, one_line, printable
from trialmaker.platform import scratch, standard_streams
from trialmaker.platform.input_methods import plain_options
from trialmaker.platform.printable_stream import PrintableStream

NAME = "trialmaker"
COMPLETION_VARIABLE = "_TRIALMAKER_COMPLETE"  # set by the shell function that ``completion`` prints
COMMANDS = ("job", "best", "request", "ui", "compare", "push", "sync", "rerun", "prune", "completion")

HELP = """\
Rehearse jobs, compare and repeat runs, and ask deployed models: the tools beside train.py and predict.py.

Each command has a page of its own: COMMAND --help. Where a default names workspace/, the environment variable AI_ROOT
names another folder.
"""
EXAMPLES = ('job --args "--data digits --epochs 3"', "compare workspace/jobs", "ui --help")


class _Commands(click.Group):
    """The commands, each imported when it is asked for."""

    def format_epilog(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        with formatter.section("Examples"):
            for line in example_lines(EXAMPLES):
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")

    def list_commands(self, _: click.Context) -> list[str]:
        """Return the names, in the order of a project's life."""
        return list(COMMANDS)

    def get_command(self, _: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None for a name that there is not."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"trialmaker.cli.{cmd_name}").command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Refuse a name that there is not, with the nearest ones, since only the names are known before an import."""
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.exceptions.NoSuchCommand(args[0], possibilities=COMMANDS, ctx=ctx)
        return super().resolve_command(ctx, args)


@click.group(
    cls=_Commands,
    help=HELP,
    context_settings={"help_option_names": ["-h", "--help"]},
)
def commands() -> None:
    """Group the commands."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: the words after ``trialmaker``; None for those of the process.

    Returns:
        the exit code: 2 for the person's mistake, in a line on standard error.
    """
    standard_streams.open_closed()
    if instruction := os.environ.get(COMPLETION_VARIABLE):
        return shell_complete(commands, {}, NAME, COMPLETION_VARIABLE, instruction)
    try:
        words, notice = plain_options(sys.argv[1:] if argv is None else argv)
        if notice:
            print(f"{NAME}: {notice}", file=sys.stderr)
        with scratch.process_folder():
            code = _run(words)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # who reads it has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)
        return error.exit_code
    except click.ClickException as error:
        return _refuse(error.exit_code, one_line(error.format_message()))
    except UserError as error:
        return _refuse(error.exit_code, *error.mistakes)


def _run(argv: list[str]) -> int:
    try:
        output, messages = cast(Any, PrintableStream(sys.stdout)), cast(Any, PrintableStream(sys.stderr))
        with redirect_stdout(output), redirect_stderr(messages), commands.make_context(NAME, argv) as context:
            return int(commands.invoke(context) or 0)
    except click.exceptions.Exit as end:  # --help
        return end.exit_code


def _refuse(code: int, *mistakes: str) -> int:
    for mistake in mistakes:
        print(f"{NAME}: error: {printable(mistake)}", file=sys.stderr)
    return code

"""What the commands of ``python -m trialmaker`` share beyond click 8.5's own: help with examples, strict options."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from trialmaker.errors import UserError
from trialmaker.platform import paths

NEGATIVE = re.compile(r"-[0-9.]+")
PROGRAM = "{program}"  # in an example
PATH = click.Path(path_type=Path, readable=False)  # whether it can be read, the command itself says in better words


class Command(click.Command):
    """A command with examples, which takes no option of its own for the value of the option before it.

    Args:
        examples: lines for a shell, without the program's name; or with ``{program}`` for it.
        groups: titles with the names of the options below them; the others come last.
        settings: click's.
    """

    def __init__(
        self, *settings: Any, examples: Sequence[str], groups: Mapping[str, Sequence[str]] | None = None, **named: Any
    ) -> None:
        super().__init__(*settings, **named)
        self.examples, self.groups = examples, groups or {}

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, of a command with many of them by group."""
        titles = {name: title for title, names in self.groups.items() for name in names}
        records: dict[str, list[tuple[str, str]]] = {title: [] for title in (*self.groups, "Options")}
        for parameter in self.get_params(ctx):
            if isinstance(parameter, click.Option) and (record := parameter.get_help_record(ctx)):
                records[titles.get(str(parameter.name), "Options")].append(record)
        for title, rows in records.items():
            with formatter.section(title):
                formatter.write_dl(rows)

    def format_epilog(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        with formatter.section("Examples"):
            for line in example_lines(self.examples):
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse an option whose value is left out, as in ``--html --trials``; then parse as click does."""
        return super().parse_args(ctx, list(self._checked(ctx, args)))

    def _checked(self, ctx: click.Context, args: list[str]) -> Iterator[str]:
        options = {name: one for one in self.get_params(ctx) if isinstance(one, click.Option) for name in one.opts}
        words = iter(args)
        for word in words:
            if word == "--":
                yield from (word, *words)
                return
            name, equals, value = word.partition("=")
            option = options.get(name)
            if option is None or option.is_flag:
                yield word
                continue
            following = value if equals else next(words, None)
            if option._flag_needs_value and following and NEGATIVE.fullmatch(following):
                raise UserError(f"{name} {following}: must be more than 0")  # click would take it for an option
            if not equals and following in options and not option._flag_needs_value:
                raise click.BadOptionUsage(name, f"Option '{name}' requires an argument.", ctx)
            yield from [word] if equals or following is None else [word, following]


def example_lines(examples: Sequence[str]) -> list[str]:
    """Return examples as a person types them: with the program's name, by which it can be started here."""
    whole = (example if PROGRAM in example else f"{PROGRAM} {example}" for example in examples)
    return [line for example in whole for line in example.replace(PROGRAM, paths.tool_command()).split("\n")]

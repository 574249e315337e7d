"""What the commands of ``python -m trialmaker`` share beyond click 8.5's own: paths, options without their value."""

import re
from collections.abc import Iterator
from pathlib import Path

import click

from trialmaker.errors import UserError

NEGATIVE = re.compile(r"-[0-9.]+")
PATH = click.Path(path_type=Path, readable=False)  # whether it can be read, the command itself says in better words


class Command(click.Command):
    """A command that takes no option of its own for the value of the option before it."""

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

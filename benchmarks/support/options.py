"""The command lines of benchmarks."""

import argparse
import shlex
from typing import Any


def options(documentation: str | None, **defaults: Any) -> argparse.Namespace:
    """Return what the command line says: an option ``--name`` for each default, of its type.

    A list takes several; a list of texts some of these.

    Args:
        documentation: the benchmark's docstring, which ``--help`` shows.
    """
    parser = argparse.ArgumentParser(description=documentation, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in defaults.items():
        several = isinstance(default, list)
        kind = type(default[0] if several else default)
        parser.add_argument(
            f"--{name}",
            type=kind,
            nargs="+" if several else None,
            choices=default if several and kind is str else None,
            default=default,
            metavar=kind.__name__.upper(),
            help=f"default: {shlex.join(map(str, default)) if several else default}",
        )
    return parser.parse_args()

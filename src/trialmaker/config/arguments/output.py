"""The output that a command line asks for, as far as its words tell before they are understood."""

from collections.abc import Sequence
from pathlib import Path

from trialmaker.config.arguments.values import unquoted
from trialmaker.platform import paths


def requested_output(argv: Sequence[str]) -> Path:
    """Return where a run with these words writes, or would have written, had they been understood.

    Args:
        argv: runtime parameters or overrides, in any spelling.
    """
    for word, following in zip(argv, [*argv[1:], ""], strict=True):
        name, equals, value = word.lstrip("-").partition("=")
        if name == "output" and (value if equals else following):
            return Path(unquoted(value if equals else following)).absolute()
    return paths.root() / "output"

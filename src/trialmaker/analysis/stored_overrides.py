"""Overrides that are stored in a study or a run: data that somebody may have written, and not a command line."""

import sys

from trialmaker.config.received import check_overrides, split_overrides
from trialmaker.errors import UserError, printable, shorten
from trialmaker.platform.redaction import without_password

HERE = (
    "where results go and come from, and by which instances, is chosen here: output is workspace/output, the server"
    " MLFLOW_TRACKING_URI"
)


def checked(overrides: object, source: str) -> list[str]:
    """Return stored overrides without those that only whoever runs a command sets; a line names what is left out.

    Args:
        overrides: as they are stored.
        source: what they are stored in, for a message.

    Raises:
        UserError: they are no overrides, or set more than the config's own fields and groups.
    """
    if not isinstance(overrides, list) or not all(isinstance(one, str) for one in overrides):
        raise UserError(printable(f"{source}: its overrides are none: {shorten(str(overrides))}"))
    words, left_out = split_overrides(overrides)
    check_overrides(words, source)
    if left_out:
        names = ", ".join(shorten(without_password(word)) for word in left_out)
        print(printable(f"{source}: left out: {names}: {HERE}"), file=sys.stderr)
    return words

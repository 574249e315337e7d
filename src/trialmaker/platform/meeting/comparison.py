"""What two instances must have in common, and how they differ."""

from collections.abc import Mapping

from trialmaker.errors import printable, shorten

MAX_NAMED_DIFFERENCES = 5  # that are named
MISSING = "nothing"


def difference(other: Mapping[str, str], first: Mapping[str, str]) -> str:
    """Return how an instance's texts differ from the first one's, a phrase for each name; "" if they do not."""
    names = sorted(name for name in {*other, *first} if other.get(name) != first.get(name))
    phrases = [f"{name} is {_shown(other.get(name))} there, {_shown(first.get(name))} here" for name in names]
    more = [f"and {len(names) - MAX_NAMED_DIFFERENCES} more"] if len(names) > MAX_NAMED_DIFFERENCES else []
    return "; ".join([*phrases[:MAX_NAMED_DIFFERENCES], *more])


def _shown(text: str | None) -> str:
    return MISSING if text is None else shorten(printable(text))

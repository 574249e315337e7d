"""Suggestions for a mistyped name."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from types import MappingProxyType


def nearest(name: str, legal: Iterable[str], aliases: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return ``; did you mean …?`` with the legal names that resemble a mistyped one, or "" where none does.

    A path with a legal group is compared by its last part with the paths of that group. Any other name is compared with
    the last parts of all paths, and with the aliases.

    Args:
        name: the mistyped name.
        legal: the legal names or paths.
        aliases: other names, each with the legal name to suggest for it.
    """
    paths = sorted(legal)
    group = name.rpartition(".")[0]
    siblings = [path for path in paths if group and path.rpartition(".")[0] == group]
    candidates = {path.rpartition(".")[2]: path for path in siblings or paths} | ({} if siblings else dict(aliases))
    last = name.rpartition(".")[2]
    matches = get_close_matches(last, candidates, cutoff=0.6)
    matches = matches or [part for part in candidates if len(last) > 2 and last in part][:3]
    names = dict.fromkeys(candidates[part] for part in matches)
    return f"; did you mean {' or '.join(names)}?" if names else ""

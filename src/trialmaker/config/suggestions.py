"""The legal names that are nearest to a mistyped one."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from types import MappingProxyType


def nearest(name: str, legal: Iterable[str], aliases: Mapping[str, str] = MappingProxyType({})) -> str:
    """``; did you mean …?`` with the legal names most like this one, or nothing.

    A path is looked for in its own group, by its last part; a name without a group everywhere, and among the aliases,
    which map other names to legal ones.
    """
    paths = sorted(legal)
    group = name.rpartition(".")[0]
    siblings = [path for path in paths if group and path.rpartition(".")[0] == group]
    meant = {path.rpartition(".")[2]: path for path in siblings or paths} | ({} if siblings else dict(aliases))
    last = name.rpartition(".")[2]
    close = get_close_matches(last, meant, cutoff=0.6) or [part for part in meant if len(last) > 2 and last in part][:3]
    names = dict.fromkeys(meant[part] for part in close)
    return f"; did you mean {' or '.join(names)}?" if names else ""

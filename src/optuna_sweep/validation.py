"""Checks of ``hydra.sweeper``'s fields, and of what a task returns."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from hydra.errors import HydraException
from hydra.utils import get_method
from omegaconf import OmegaConf

MINIMUMS = {"n_trials": 1, "n_jobs": 1, "max_retries": 0, "max_consecutive_failures": 1}


def check_names(fields: Iterable[str], legal: Collection[str], former: Mapping[str, str]) -> None:
    """Check that there is a field of each name.

    Args:
        fields: the names.
        legal: those of the fields that there are.
        former: names of fields that are gone, with what to write.

    Raises:
        HydraException: the first name that is none, with the nearest one.
    """
    for name in sorted(set(fields) - set(legal)):
        hint = f"; write {former[name]}" if name in former else nearest(name, legal)
        raise HydraException(f"hydra.sweeper.{name}: there is no such field{hint}")


def nearest(name: str, legal: Iterable[str]) -> str:
    """Return ``; did you mean …?`` with the legal names that resemble a mistyped one, or all of them."""
    names = sorted(legal)
    matches = get_close_matches(name, names) or [one for one in names if name in one]
    return f"; did you mean {' or '.join(matches)}?" if matches else f"; there are {', '.join(names) or 'none'}"


def check(fields: Mapping[str, Any]) -> None:
    """Check the fields against their laws.

    Raises:
        HydraException: the first law that is broken, in one line with the value and what would be right.
    """
    names = directions(fields)
    illegal = [name for name in names if name not in ("minimize", "maximize")]
    if illegal or not names:
        value = illegal[0] if illegal else fields["direction"]
        raise HydraException(f"hydra.sweeper.direction={value}: must be minimize or maximize, or a list of them")
    for field, minimum in MINIMUMS.items():
        if fields[field] is not None and fields[field] < minimum:
            raise HydraException(f"hydra.sweeper.{field}={fields[field]}: must be at least {minimum}")
    if not fields["storage_seconds"] > 0:
        raise HydraException(f"hydra.sweeper.storage_seconds={fields['storage_seconds']}: must be more than 0")
    rate, seconds, target = (fields[field] for field in ("max_failure_rate", "timeout_seconds", "target"))
    if not 0 <= rate <= 1:
        raise HydraException(f"hydra.sweeper.max_failure_rate={rate}: must be 0 to 1")
    if seconds is not None and not seconds > 0:
        raise HydraException(f"hydra.sweeper.timeout_seconds={seconds}: must be more than 0, or null for no limit")
    if target is not None and len(names) > 1:
        raise HydraException(f"hydra.sweeper.target={target}: needs one direction, not {names}")
    for point in fields["enqueue"]:
        if point != "default" and not OmegaConf.is_dict(point):
            raise HydraException(f"hydra.sweeper.enqueue={point}: must be default, or parameters such as {{x: 1}}")


def directions(fields: Mapping[str, Any]) -> list[str]:
    """Return the direction of each objective."""
    direction = fields["direction"]
    return [str(name) for name in direction] if OmegaConf.is_list(direction) else [str(direction)]


def custom_search_space(fields: Mapping[str, Any]) -> Callable[..., Any] | None:
    """Return the function that ``custom_search_space`` names; None where it names none.

    Raises:
        HydraException: it cannot be imported.
    """
    name = fields["custom_search_space"]
    try:
        return get_method(name) if name else None
    except Exception as error:  # of the import of any module
        reason = " ".join(str(error.__cause__ or error).split())
        raise HydraException(f"hydra.sweeper.custom_search_space={name}: {reason}") from error


def returned_values(returned: Any, count: int) -> tuple[list[float] | None, str]:
    """Return a task's values, one per objective, and ""; or None and what is wrong with them.

    Args:
        returned: what the task returned: a number, or a sequence of them.
        count: of objectives.
    """
    values = list(returned) if isinstance(returned, Sequence) and not isinstance(returned, str) else [returned]
    try:
        numbers = [float(value) for value in values]
    except (TypeError, ValueError):
        return None, f"the task returned {returned!r}: expected {'a number' if count == 1 else f'{count} numbers'}"
    if len(numbers) != count:
        return None, f"the task returned {len(numbers)} values: expected {count}"
    if any(map(math.isnan, numbers)):
        return None, "the task returned nan"
    return numbers, ""

"""The laws of ``hydra.sweeper``'s fields, and of what a task returns."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hydra.errors import HydraException
from hydra.utils import get_method
from omegaconf import OmegaConf

MINIMUMS = {"n_trials": 1, "n_jobs": 1, "max_retries": 0, "max_consecutive_failures": 1}


def check(fields: Mapping[str, Any]) -> None:
    """Raise HydraException for the first law that is broken: one line, with the value and what would be right."""
    found = directions(fields)
    if not found or (illegal := [one for one in found if one not in ("minimize", "maximize")]):
        shown = illegal[0] if found else fields["direction"]
        raise HydraException(f"hydra.sweeper.direction={shown}: must be minimize or maximize, or a list of them")
    for field, least in MINIMUMS.items():
        if fields[field] is not None and fields[field] < least:
            raise HydraException(f"hydra.sweeper.{field}={fields[field]}: must be at least {least}")
    rate, seconds, target = (fields[field] for field in ("max_failure_rate", "timeout_seconds", "target"))
    if not 0 <= rate <= 1:
        raise HydraException(f"hydra.sweeper.max_failure_rate={rate}: must be 0 to 1")
    if seconds is not None and not seconds > 0:
        raise HydraException(f"hydra.sweeper.timeout_seconds={seconds}: must be more than 0, or null for no limit")
    if target is not None and len(found) > 1:
        raise HydraException(f"hydra.sweeper.target={target}: needs one direction, not {found}")
    for point in fields["enqueue"]:
        if point != "default" and not OmegaConf.is_dict(point):
            raise HydraException(f"hydra.sweeper.enqueue={point}: must be default, or parameters such as {{x: 1}}")


def directions(fields: Mapping[str, Any]) -> list[str]:
    """One an objective."""
    direction = fields["direction"]
    return [str(one) for one in direction] if OmegaConf.is_list(direction) else [str(direction)]


def custom_search_space(fields: Mapping[str, Any]) -> Callable[..., Any] | None:
    """The function that it names.

    Raises:
        HydraException: there is none.
    """
    name = fields["custom_search_space"]
    try:
        return get_method(name) if name else None
    except Exception as error:  # of the import of any module
        reason = " ".join(str(error.__cause__ or error).split())
        raise HydraException(f"hydra.sweeper.custom_search_space={name}: {reason}") from error


def returned_values(returned: Any, count: int) -> tuple[list[float] | None, str]:
    """A task's values, and what is wrong with them."""
    found = list(returned) if isinstance(returned, Sequence) and not isinstance(returned, str) else [returned]
    try:
        numbers = [float(value) for value in found]
    except (TypeError, ValueError):
        return None, f"the task returned {returned!r}: expected {'a number' if count == 1 else f'{count} numbers'}"
    if len(numbers) != count:
        return None, f"the task returned {len(numbers)} values: expected {count}"
    if any(map(math.isnan, numbers)):
        return None, "the task returned nan"
    return numbers, ""

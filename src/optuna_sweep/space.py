"""Hydra's override grammar as Optuna's search space."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import (
    ChoiceSweep,
    IntervalSweep,
    Override,
    ParsedElementType,
    Quote,
    QuotedString,
    RangeSweep,
    Transformer,
)
from hydra.errors import HydraException
from omegaconf import OmegaConf
from optuna.distributions import (
    BaseDistribution,
    CategoricalChoiceType,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

MAX_HELD_POINTS = 1_000_000  # of a range or a grid, which lie in memory


@dataclass(frozen=True)
class Space:
    """A search space, with the overrides that are the same in all trials.

    Args:
        distributions: by parameter.
        fixed_overrides: as on the command line.
    """

    distributions: Mapping[str, BaseDistribution]
    fixed_overrides: tuple[str, ...]

    def overrides(self, params: Mapping[str, Any]) -> list[str]:
        """Return a trial's overrides: the fixed ones, then its parameters."""
        # Choices are texts of the grammar already; strings of a custom search space are not.
        texts = {
            name: text(_quote_if_needed(value) if isinstance(value, str) and name not in self.distributions else value)
            for name, value in params.items()
        }
        return [*self.fixed_overrides, *(f"{name}={written}" for name, written in texts.items())]


def read(params: Mapping[str, Any], arguments: Iterable[str]) -> Space:
    """Return the sweep file's space, with what the command line adds to it or fixes of it.

    Args:
        params: override, without its name, by name.
        arguments: the command line's overrides.

    Raises:
        HydraException: an override that is none, or no search space.
    """
    parser = OverridesParser.create()
    texts = [f"{name}={text(value) if not isinstance(value, str) else value}" for name, value in params.items()]
    distributions: dict[str, BaseDistribution] = {}
    fixed: dict[str, str] = {}
    for override in parser.parse_overrides([*texts, *arguments]):
        name = override.get_key_element()
        distributions.pop(name, None), fixed.pop(name, None)
        if override.is_sweep_override():
            distributions[name] = distribution_of(override)
        else:
            fixed[name] = override.input_line or f"{name}={override.get_value_element_as_str()}"
    return Space(distributions, tuple(fixed.values()))


def distribution_of(override: Override) -> BaseDistribution:
    """Return the distribution of a sweep override.

    Args:
        override: with ``interval``, ``range`` or ``choice``, perhaps in ``tag(log, …)``, ``int(…)`` or ``shuffle(…)``.

    Raises:
        HydraException: another sweep, or limits that Optuna refuses.
    """
    value = override.value()
    name = override.get_key_element()
    try:
        if isinstance(value, IntervalSweep):
            return _interval(value)
        if isinstance(value, RangeSweep):
            return _range(value)
        if isinstance(value, ChoiceSweep):
            return CategoricalDistribution([_choice(element) for element in value.list])
    except ValueError as error:  # Optuna's laws, such as low <= high
        raise HydraException(f"{override.input_line}: {error}") from error
    raise HydraException(f"{name}: {override.input_line} is no search space; interval, range and choice are")


def _interval(value: IntervalSweep) -> BaseDistribution:
    low, high = value.start, value.end
    log = "log" in value.tags
    if low is None or high is None:
        raise ValueError("an interval needs a start and an end")
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError("an interval's start and end must be finite")
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=log)
    return FloatDistribution(float(low), float(high), log=log)


def _range(value: RangeSweep) -> BaseDistribution:
    """Return the distribution of the numbers that Hydra's own sweeper would run: the end is not among them."""
    low, step = value.start or 0, value.step
    if not step or (value.stop is not None and abs(value.stop - low) / abs(step) > MAX_HELD_POINTS):
        raise ValueError(f"a range needs a step other than 0, and has at most {MAX_HELD_POINTS} values: see interval")
    numbers = list(value.range())
    if not numbers:
        raise ValueError("the range is empty")
    if "log" in value.tags:
        raise ValueError("a range with steps cannot be logarithmic: write int(interval(low, high))")
    if isinstance(low, int) and isinstance(step, int):
        return IntDistribution(min(numbers), max(numbers), step=abs(step))
    return FloatDistribution(float(min(numbers)), float(max(numbers)), step=abs(float(step)))


def as_choice(value: Any) -> CategoricalChoiceType:
    """Return a config's value as it stands among the choices of a distribution."""
    element: Any = OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
    return _choice(element)


def _choice(element: ParsedElementType) -> CategoricalChoiceType:
    """Return an element as Optuna can store it: strings, lists and dictionaries as the text of an override."""
    if element is None or isinstance(element, bool | int | float):
        return element
    return _quote_if_needed(element) if isinstance(element, str) else str(Transformer.encode(element))


def _quote_if_needed(text: str) -> str:
    """Return a string in quotes where Hydra would not read the same string without them."""
    try:
        if OverridesParser.create().parse_override(f"x={text}").value() == text:
            return text
    except HydraException:
        pass
    return quote(text)


def quote(text: str) -> str:
    """Return a string in the quotes of Hydra's grammar."""
    return str(QuotedString(text, Quote.single).with_quotes())


def text(value: Any) -> str:
    """Return a value as Hydra's grammar writes it; a string is one already."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, list | dict) else repr(value)


def check_size(name: str, count: float) -> None:
    """Check that the points of a grid can be held.

    Raises:
        HydraException: they cannot.
    """
    if count > MAX_HELD_POINTS:
        raise HydraException(
            f"{name}: has {count:.3g} points, and a grid at most {MAX_HELD_POINTS}; take another sampler"
        )


def grid_values(name: str, distribution: BaseDistribution) -> list[Any]:
    """Return all values of a parameter.

    Raises:
        HydraException: there are endlessly many, or too many to hold.
    """
    if isinstance(distribution, IntDistribution | FloatDistribution) and distribution.step:
        check_size(name, (distribution.high - distribution.low) / distribution.step + 1)
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    if isinstance(distribution, IntDistribution) and not distribution.log:
        return list(range(distribution.low, distribution.high + 1, distribution.step))
    if isinstance(distribution, FloatDistribution) and distribution.step:
        count = round((distribution.high - distribution.low) / distribution.step) + 1
        return [distribution.low + number * distribution.step for number in range(count)]
    raise HydraException(f"{name}: {distribution} has no grid: give it a choice or a range")

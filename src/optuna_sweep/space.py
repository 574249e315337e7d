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


@dataclass(frozen=True)
class Space:
    """What the trials draw, and what is the same in all of them.

    Args:
        drawn: distribution by parameter.
        fixed: overrides.
    """

    drawn: Mapping[str, BaseDistribution]
    fixed: tuple[str, ...]

    def overrides(self, params: Mapping[str, Any]) -> list[str]:
        """Of a trial: what is fixed, then what is drawn."""
        texts = {
            name: _text(_quoted(value) if isinstance(value, str) and name not in self.drawn else value)
            for name, value in params.items()
        }
        return [*self.fixed, *(f"{name}={text}" for name, text in texts.items())]


def read(params: Mapping[str, Any], arguments: Iterable[str]) -> Space:
    """The space of the sweep file, with what the command line adds to it or fixes of it.

    Args:
        params: override, without its name, by name.
        arguments: the command line's overrides.

    Raises:
        HydraException: an override that is none, or no search space.
    """
    parser = OverridesParser.create()
    texts = [f"{name}={_text(value) if not isinstance(value, str) else value}" for name, value in params.items()]
    drawn: dict[str, BaseDistribution] = {}
    fixed: dict[str, str] = {}
    for override in parser.parse_overrides([*texts, *arguments]):
        name = override.get_key_element()
        drawn.pop(name, None), fixed.pop(name, None)
        if override.is_sweep_override():
            drawn[name] = distribution(override)
        else:
            fixed[name] = override.input_line or f"{name}={override.get_value_element_as_str()}"
    return Space(drawn, tuple(fixed.values()))


def distribution(override: Override) -> BaseDistribution:
    """Of one sweep: ``interval``, ``range`` or ``choice``, with ``tag(log, …)``, ``int(…)``, ``shuffle(…)`` around."""
    value = override.value()
    name = override.get_key_element()
    try:
        if isinstance(value, IntervalSweep):
            return _interval(value)
        if isinstance(value, RangeSweep):
            return _range(value)
        if isinstance(value, ChoiceSweep):
            return CategoricalDistribution([_scalar(element) for element in value.list])
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
    """The same numbers as Hydra's own sweeper would run: the end is not among them."""
    low, step = value.start or 0, value.step
    numbers = list(value.range())
    if not numbers:
        raise ValueError("the range is empty")
    if "log" in value.tags:
        raise ValueError("a range with steps cannot be logarithmic: write int(interval(low, high))")
    if isinstance(low, int) and isinstance(step, int):
        return IntDistribution(min(numbers), max(numbers), step=abs(step))
    return FloatDistribution(float(min(numbers)), float(max(numbers)), step=abs(float(step)))


def _scalar(element: ParsedElementType) -> CategoricalChoiceType:
    """As Optuna can store it: strings, lists and dictionaries as the text of an override."""
    if element is None or isinstance(element, bool | int | float):
        return element
    return _quoted(element) if isinstance(element, str) else str(Transformer.encode(element))


def _quoted(text: str) -> str:
    """In quotes where it would not be read as the same string without them."""
    try:
        if OverridesParser.create().parse_override(f"x={text}").value() == text:
            return text
    except HydraException:
        pass
    return quoted(text)


def quoted(text: str) -> str:
    """In quotes."""
    return str(QuotedString(text, Quote.single).with_quotes())


def _text(value: Any) -> str:
    """A value as Hydra's grammar has it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, list | dict) else repr(value)


def contains(drawn: BaseDistribution, value: CategoricalChoiceType) -> bool:
    """Whether a value can be drawn."""
    try:
        return drawn._contains(drawn.to_internal_repr(value))
    except ValueError:
        return False


def stored(value: Any) -> CategoricalChoiceType:
    """A value of a config as the space has it."""
    held: Any = OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
    return _scalar(held)


def grid(name: str, drawn: BaseDistribution) -> list[Any]:
    """All values of a parameter.

    Raises:
        HydraException: there are endlessly many.
    """
    if isinstance(drawn, CategoricalDistribution):
        return list(drawn.choices)
    if isinstance(drawn, IntDistribution) and not drawn.log:
        return list(range(drawn.low, drawn.high + 1, drawn.step))
    if isinstance(drawn, FloatDistribution) and drawn.step:
        return [drawn.low + number * drawn.step for number in range(round((drawn.high - drawn.low) / drawn.step) + 1)]
    raise HydraException(f"{name}: {drawn} has no grid: give it a choice or a range")

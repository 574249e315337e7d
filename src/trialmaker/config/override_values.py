"""The values that an override of Hydra's grammar gives its key, as YAML would have them."""

from typing import Any

from hydra.core.override_parser import types


def entries(override: types.Override) -> list[Any]:
    """Return the values that an override may give its key; of a range of numbers none, since it is harmless."""
    value = override.value()
    if isinstance(value, types.RangeSweep | types.IntervalSweep):
        return []
    entries = value.list if isinstance(value, types.ChoiceSweep) else [value]
    return [_plain(entry) for entry in entries]


def _plain(value: Any) -> Any:
    """Return a value of Hydra's grammar as YAML would have it."""
    if isinstance(value, types.QuotedString):
        return value.text
    if isinstance(value, dict):
        return {_plain(name): _plain(entry) for name, entry in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, list) else value


def is_data(value: Any) -> bool:
    """Return whether a value is one that YAML can have, and no object of Hydra's grammar."""
    if isinstance(value, dict):
        return all(map(is_data, [*value, *value.values()]))
    return all(map(is_data, value)) if isinstance(value, list) else isinstance(value, str | int | float | None)

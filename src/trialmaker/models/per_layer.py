"""Fields of layers: one value for all, or one for each."""

from collections.abc import Sequence
from typing import Any

import keras


def one_for_each(value: Any, count: int) -> tuple[Any, ...]:
    """Return one value for each of ``count`` layers: the entries of a list, or a single value again and again.

    Raises:
        ValueError: a list has another number of entries.
    """
    if not isinstance(value, Sequence) or isinstance(value, str):
        return (value,) * count
    if len(value) != count:
        raise ValueError(f"there must be one value, or {count}, but got {list(value)}")
    return tuple(value)


def kernel_initializer(name: str) -> keras.Initializer:
    """Return a new initializer by its name in Keras; ``truncated_normal`` has a standard deviation of 0.1, not 0.05."""
    if name == "truncated_normal":
        return keras.initializers.TruncatedNormal(stddev=0.1)
    return keras.initializers.get(name)

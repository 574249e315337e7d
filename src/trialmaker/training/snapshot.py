"""The state of a training, or of a part of it, as values and arrays that a file can hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

JSON = Any  # what ``json`` can hold: None, bool, int, float, str, and lists and dicts of these


class Misfit(ValueError):
    """A snapshot that is not of the program that is to go on from it; the message says what differs."""


@dataclass(frozen=True)
class Snapshot:
    """Values and arrays by name, copied: what goes on meanwhile does not change them.

    Args:
        values: what ``json`` can hold.
        arrays: NumPy arrays of any shape, none of objects; a name has letters, digits, ``_``, ``-``, ``.``, ``/``.
    """

    values: dict[str, JSON]
    arrays: dict[str, np.ndarray]

    @classmethod
    def join(cls, parts: Mapping[str, "Snapshot"]) -> "Snapshot":
        """Return one snapshot of several parts; ``part`` takes it apart again."""
        values: dict[str, JSON] = {name: part.values for name, part in parts.items()}
        arrays = {f"{name}/{inner}": array for name, part in parts.items() for inner, array in part.arrays.items()}
        return cls(values, arrays)

    def part(self, name: str) -> "Snapshot":
        """Return the part of that name.

        Raises:
            KeyError: there is none.
        """
        prefix = f"{name}/"
        arrays = {inner.removeprefix(prefix): array for inner, array in self.arrays.items() if inner.startswith(prefix)}
        return Snapshot(self.values[name], arrays)

    def numbered(self, name: str) -> list[np.ndarray]:
        """Return the arrays that ``numbered_arrays`` named so, in their order.

        Raises:
            Misfit: one of them is missing.
        """
        count = sum(inner.rpartition("/")[0] == name for inner in self.arrays)
        if missing := {f"{name}/{index}" for index in range(count)} - set(self.arrays):
            raise Misfit(f"{min(missing)} is missing")
        return [self.arrays[f"{name}/{index}"] for index in range(count)]

    def lists(self, *names: str) -> list[list[float]]:
        """Return arrays that hold a number for each of some steps, as lists.

        Raises:
            Misfit: one is missing, or they are not such.
        """
        arrays = [self.arrays.get(name, np.zeros(0, bool)) for name in names]
        if any(array.dtype != np.float64 or array.ndim != 1 or len(array) != len(arrays[0]) for array in arrays):
            kinds = ", ".join(f"{name} {_kind(array)}" for name, array in zip(names, arrays, strict=True))
            raise Misfit(f"not a number for each step: {kinds}")
        return [array.tolist() for array in arrays]


def check_arrays(name: str, arrays: Sequence[np.ndarray], variables: Sequence[Any]) -> None:
    """Check that arrays can be the values of variables: as many, of the same shapes and types.

    Args:
        name: of all of them.
        arrays: the values.
        variables: of Keras.

    Raises:
        Misfit: they cannot.
    """
    if len(arrays) != len(variables):
        raise Misfit(f"{name}: {len(arrays)} variables there, {len(variables)} here")
    for index, (array, variable) in enumerate(zip(arrays, variables, strict=True)):
        here = f"{np.dtype(variable.dtype).name}{[*variable.shape]}"
        if (there := _kind(array)) != here:
            raise Misfit(f"{name}/{index}: {there} there, {here} here")


def _kind(array: np.ndarray) -> str:
    return f"{array.dtype.name}{[*array.shape]}"


def numbered_arrays(**sequences: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Return the arrays of each sequence by ``name/0``, ``name/1``, …."""
    return {f"{name}/{index}": array for name, arrays in sequences.items() for index, array in enumerate(arrays)}

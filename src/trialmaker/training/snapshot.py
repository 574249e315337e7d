"""The state of a training, or of a part of it, as values and arrays that a file can hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

JSON = Any  # what ``json`` can hold: None, bool, int, float, str, and lists and dicts of these


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
        """Return the arrays that ``numbered_arrays`` named so, in their order."""
        count = sum(inner.rpartition("/")[0] == name for inner in self.arrays)
        return [self.arrays[f"{name}/{index}"] for index in range(count)]


def numbered_arrays(**sequences: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Return the arrays of each sequence by ``name/0``, ``name/1``, …."""
    return {f"{name}/{index}": array for name, arrays in sequences.items() for index, array in enumerate(arrays)}

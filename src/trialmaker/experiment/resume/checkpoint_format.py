"""The values of a checkpoint: what they are, and whether those of a file are such. Light: it imports no TensorFlow."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from trialmaker.config.run_schema import PRECISIONS
from trialmaker.errors import UserError, printable

FORMAT = 2  # raised by whoever changes what a checkpoint holds
FORMAT_OF_FLOAT32 = 1  # which does not name the precision: there was one
LARGEST = 2**63
MAX_VALUE_CHARACTERS = 60  # characters of a value


class CheckpointMisfit(UserError):
    """A checkpoint that is whole, but not of this program.

    Args:
        folder: that it lies in.
        difference: what differs, a phrase.
    """

    def __init__(self, folder: Path, difference: object) -> None:
        super().__init__(
            f"{folder}: its checkpoint was written by another version of TrialMaker ({printable(str(difference))});"
            " resume=never starts anew"
        )


def in_this_format(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a checkpoint of the format before as this one has them; those of any other as they are."""
    number, loop = values.get("format"), values.get("loop")
    if number != FORMAT_OF_FLOAT32 or isinstance(number, bool) or not isinstance(loop, dict) or "precision" in loop:
        return dict(values)
    return {**values, "format": FORMAT, "loop": {**loop, "precision": PRECISIONS[0]}}


def check_values(values: Mapping[str, Any], folder: Path) -> None:
    """Check that a checkpoint's values are what this version writes.

    Args:
        values: of the snapshot.
        folder: that it lies in.

    Raises:
        CheckpointMisfit: they are not.
    """
    if difference := _difference(values):
        raise CheckpointMisfit(folder, difference)


def _difference(values: Mapping[str, Any]) -> str:
    """Return how a checkpoint's values differ from what they should be; "" if they do not."""
    number = values.get("format")
    if not _is_count(number) or number != FORMAT:
        return f"its format is {_shown(number)}, not {FORMAT}"
    for part, laws in LAWS.items():
        fields = values.get(part)
        if not isinstance(fields, dict) or set(fields) != set(laws):
            names = sorted(set(fields) ^ set(laws)) if isinstance(fields, dict) else []
            return f"{part}: other fields: {_shown(', '.join(names))}" if names else f"it has no {part}"
        for name, is_legal in laws.items():
            if not is_legal(fields[name]):
                return f"{part}.{name} is {_shown(fields[name])}"
    return ""


def _shown(value: object) -> str:
    return "missing" if value is None else f"{value!s:.{MAX_VALUE_CHARACTERS}}"


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < LARGEST


def _is_number(value: object) -> bool:
    return isinstance(value, float) or _is_count(value)


def _is_duration(value: object) -> bool:
    return isinstance(value, float | int) and _is_number(value) and value >= 0 and math.isfinite(value)


def _is_truth(value: object) -> bool:
    return isinstance(value, bool)


def _are_metrics(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_number, value.values()))


def _are_sizes(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_count, value.values()))


def _is_best(value: Any) -> bool:
    if value is None:
        return True
    is_whole = isinstance(value, dict) and set(value) == {"epoch", "metrics"}
    return is_whole and _is_count(value["epoch"]) and _are_metrics(value["metrics"])


def _pairs_of(is_second: Callable[[object], bool]) -> Callable[[object], bool]:
    """Return the law of a list of pairs, of a count and such a value."""

    def are_pairs(value: object) -> bool:
        pairs = value if isinstance(value, list) else [()]
        return all(isinstance(one, list) and len(one) == 2 and _is_count(one[0]) and is_second(one[1]) for one in pairs)

    return are_pairs


Laws = Mapping[str, Callable[[Any], bool]]
LAWS: Mapping[str, Laws] = {  # by part and field
    "loop": {
        "epochs_done": _is_count,
        "step": _is_count,
        "seconds": _is_duration,
        "epoch_steps": _is_count,
        "is_early_validated": _is_truth,
        "precision": PRECISIONS.__contains__,
        "best": _is_best,
    },
    "means": {"step": _is_count, "is_due": _is_truth},
    "run": {
        "log_size": _is_count,
        "event_files": _are_sizes,
        "history": _pairs_of(_are_metrics),
        "reports": _pairs_of(_is_number),
    },
}

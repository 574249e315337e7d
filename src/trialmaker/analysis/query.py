"""Values of runs by name (columns, metrics, parameters, tags), and conditions on them."""

import math
import operator
import re
from collections.abc import Mapping, Sequence
from typing import Any

from trialmaker.analysis.store.runs import TEST_METRIC, Run
from trialmaker.config.arguments.foreign_words import SYNONYMS
from trialmaker.config.suggestions import nearest
from trialmaker.errors import UserError

Value = str | float | None
NOTE_TAG = "mlflow.note.content"
DIGEST = "data.digest"  # the column of the data's digest
COLUMNS = ("run", "id", "best", "seconds", "output", "experiment", "status", "note", DIGEST)
SHORT_NAMES = {"test": TEST_METRIC}  # headings of tables that are no names
CONDITION_PATTERN = re.compile(r"\s*([^=!<>~]+?)\s*(!=|<=|>=|==|=|<|>|~)\s*(?![=<>~])(.*?)\s*")
NUMBER_PATTERN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
OPERATORS = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def value_of(run: Run, name: str, digests: Mapping[str, str]) -> Value:
    """Return a column, metric, parameter or tag of a run, numbers as numbers; None where it has none of that name.

    Args:
        run: the run.
        name: the full name; see ``resolve_name``.
        digests: the digests of the data by the run's id.
    """
    columns: dict[str, Value] = {"run": run.name, "id": run.run_id, "best": run.best, "seconds": run.seconds}
    columns |= {"output": run.output, "experiment": run.experiment, "status": run.status}
    columns |= {"note": run.tags.get(NOTE_TAG), DIGEST: digests.get(run.run_id)}
    if name in columns:
        return columns[name]
    values = (group[name] for group in (run.metrics, run.params, run.tags) if name in group)
    return parse_number(next(values, None))


def resolve_name(name: str, runs: Sequence[Run]) -> str:
    """Return the full name of a column, metric, parameter or tag.

    Args:
        name: as a person typed it: in full, a parameter's last part where only one parameter ends in it, a config
            group, a heading of a table, or a synonym.
        runs: the runs whose names are searched.

    Raises:
        UserError: nothing has that name, or several parameters end in it.
    """
    params = [*COLUMNS, *dict.fromkeys(param for run in runs for param in run.params)]
    others = list(dict.fromkeys(key for run in runs for group in (run.metrics, run.tags) for key in group))
    exact_params = [param for param in params if _is_same(param, name)]
    exact_others = [other for other in others if _is_same(other, name)]
    ends = [param for param in params if _is_same(param.rpartition(".")[2], name)]
    if matches := exact_params or (ends if len(ends) == 1 else exact_others):
        return matches[0]
    choice = {name: f"{name}.name"} if f"{name}.name" in params else {}
    synonyms = SYNONYMS | SHORT_NAMES | choice
    if name in synonyms and not ends:
        return resolve_name(synonyms[name], runs)
    hint = f"; it could be {' or '.join(ends)}" if ends else nearest(name, [*params, *others])
    raise UserError(f"{name}: no run has such a column, metric or parameter{hint}")


def select(runs: Sequence[Run], conditions: Sequence[str], digests: Mapping[str, str]) -> list[Run]:
    """Return the runs that meet all conditions.

    Args:
        runs: the runs to select from.
        conditions: each ``NAME OP VALUE``, where OP is one of ``= != < <= > >=`` and ``~`` (contains). A run without
            the named value does not meet the condition.
        digests: the digests of the data by the run's id.

    Raises:
        UserError: a condition is malformed, or its name is unknown.
    """
    parsed = [_parse_condition(condition, runs) for condition in conditions]
    return [
        run for run in runs if all(_is_met(value_of(run, name, digests), sign, text) for name, sign, text in parsed)
    ]


def _parse_condition(condition: str, runs: Sequence[Run]) -> tuple[str, str, str]:
    """Return a condition's full name, operator and text."""
    match = CONDITION_PATTERN.fullmatch(condition)
    if not match:
        example = "--where 'test_accuracy>=0.98' or --where model.name=cnn"
        raise UserError(
            f"--where {condition}: expected NAME, one of {' '.join(OPERATORS)} ~ and a value, such as {example}"
        )
    return resolve_name(match[1], runs), match[2].replace("==", "="), match[3]


def _is_same(name: str, other: str) -> bool:
    return name.replace("-", "_") == other.replace("-", "_")


def _is_met(value: Value, sign: str, text: str) -> bool:
    if value is None:
        return False
    if sign == "~":
        return text in str(value)
    operand = parse_number(text)
    if isinstance(value, str) or isinstance(operand, str):
        if sign not in ("=", "!=") and isinstance(value, str) and not isinstance(operand, str):
            return False  # a text is neither more nor less than a number
        pair: tuple[Any, Any] = (str(value), text)
    else:
        pair = (value, operand)
    return bool(OPERATORS[sign](*pair))


def parse_number(value: Value) -> Value:
    """Return a text that is a finite number as an int or float, and any other value unchanged."""
    if not isinstance(value, str) or not NUMBER_PATTERN.fullmatch(value):
        return value
    if re.fullmatch(r"[+-]?\d{1,18}", value):
        return int(value)
    return float(value) if math.isfinite(float(value)) else value

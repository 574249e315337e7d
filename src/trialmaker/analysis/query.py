"""What a person asks of runs by name: columns, metrics, parameters and tags, and conditions on them."""

import math
import operator
import re
from collections.abc import Mapping, Sequence
from typing import Any

from trialmaker.analysis.store.runs import Run
from trialmaker.config.arguments.names import SYNONYMS
from trialmaker.config.suggestions import nearest
from trialmaker.errors import UserError

Value = str | float | None
DIGEST = "data.digest"  # what they say of the data instead
FIELDS = ("run", "id", "best", "seconds", "output", "experiment", "status", DIGEST)
CONDITION = re.compile(r"\s*([^=!<>~]+?)\s*(!=|<=|>=|==|=|<|>|~)\s*(?![=<>~])(.*?)\s*")
OPERATORS = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def value_of(run: Run, name: str, digests: Mapping[str, str]) -> Value:
    """A column, metric, parameter or tag of a run; numbers as such."""
    fields: dict[str, Value] = {"run": run.name, "id": run.run_id, "best": run.best, "seconds": run.seconds}
    fields |= {"output": run.output, "experiment": run.experiment, "status": run.status}
    fields |= {DIGEST: digests.get(run.run_id)}
    if name in fields:
        return fields[name]
    recorded = (group[name] for group in (run.metrics, run.params, run.tags) if name in group)
    return parse_number(next(recorded, None))


def resolve_name(typed: str, runs: Sequence[Run]) -> str:
    """The column, metric, parameter or tag that a person means: in full, or its last part where only one ends so.

    Raises:
        UserError: there is none, or there are several.
    """
    params = [*FIELDS, *dict.fromkeys(name for run in runs for name in run.params)]
    others = list(dict.fromkeys(name for run in runs for group in (run.metrics, run.tags) for name in group))
    ending = [name for name in params if _is_same(name.rpartition(".")[2], typed)]
    exact = [name for name in params if _is_same(name, typed)]
    measured = [name for name in others if _is_same(name, typed)]
    if found := exact or (ending if len(ending) == 1 else measured):
        return found[0]
    if typed in SYNONYMS and not ending:
        return resolve_name(SYNONYMS[typed], runs)
    hint = f"; it could be {' or '.join(ending)}" if ending else nearest(typed, [*params, *others])
    raise UserError(f"{typed}: no run has such a column, metric or parameter{hint}")


def select(runs: Sequence[Run], conditions: Sequence[str], digests: Mapping[str, str]) -> list[Run]:
    """The runs for which all conditions hold, each ``NAME OP VALUE``.

    OP is one of ``= != < <= > >=`` and ``~``, contains. A run without a value meets no condition on it.

    Raises:
        UserError: one is no condition, or names nothing.
    """
    parted = [_condition(condition, runs) for condition in conditions]
    return [run for run in runs if all(_holds(value_of(run, name, digests), sign, text) for name, sign, text in parted)]


def _condition(condition: str, runs: Sequence[Run]) -> tuple[str, str, str]:
    parted = CONDITION.fullmatch(condition)
    if not parted:
        example = "--where 'test_accuracy>=0.98' or --where model.name=cnn"
        raise UserError(
            f"--where {condition}: expected NAME, one of {' '.join(OPERATORS)} ~ and a value, such as {example}"
        )
    return resolve_name(parted[1], runs), parted[2].replace("==", "="), parted[3]


def _is_same(name: str, typed: str) -> bool:
    return name.replace("-", "_") == typed.replace("-", "_")


def _holds(value: Value, sign: str, text: str) -> bool:
    if value is None:
        return False
    wanted = parse_number(text)
    if sign == "~":
        return text in str(value)
    if sign not in ("=", "!=") and isinstance(value, str) and not isinstance(wanted, str):
        return False  # no number is neither more nor less than one
    pair: tuple[Any, Any] = (str(value), text) if isinstance(value, str) or isinstance(wanted, str) else (value, wanted)
    return bool(OPERATORS[sign](*pair))


def parse_number(value: Value) -> Value:
    if not isinstance(value, str) or not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", value):
        return value
    if re.fullmatch(r"[+-]?\d{1,18}", value):
        return int(value)
    return float(value) if math.isfinite(float(value)) else value

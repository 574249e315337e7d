"""A table of runs: how good, how long, and the parameters that differ, only those."""

import csv
import io
import json
import math
import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trialmaker.comparing.runs import TEST_METRIC, Run
from trialmaker.config.arguments.names import SYNONYMS
from trialmaker.config.suggestions import nearest
from trialmaker.errors import UserError

Value = str | float | None
# Parameters that say where a run's files lay; two runs that differ in nothing else are the same.
PLACES = {"output", "data.directory", "data.download", "tracking.uri", "tracking.experiment"}
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
MOST_LETTERS = 60  # of a value in a text table
FORMATS = ("text", "csv", "json", "markdown")


@dataclass(frozen=True)
class Table:
    """``rows`` have a value for each of ``columns``; None where there is none."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Value]]

    def as_format(self, name: str) -> str:
        """``text``, aligned; ``csv``; ``json``, a list of objects; or ``markdown``."""
        return {"text": self._text, "csv": self._csv, "json": self._json, "markdown": self._markdown}[name]()

    def _text(self) -> str:
        cells = [list(self.columns), *([_clipped(shown(value)) for value in row] for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        numbers = [all(isinstance(row[at], float | int | None) for row in self.rows) for at in range(len(self.columns))]
        lines = (
            "  ".join(
                cell.rjust(width) if number else cell.ljust(width)
                for cell, width, number in zip(line, widths, numbers, strict=True)
            )
            for line in cells
        )
        return "\n".join(line.rstrip() for line in lines)

    def _csv(self) -> str:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([self.columns, *self.rows])
        return text.getvalue().rstrip("\n")

    def _json(self) -> str:
        rows = [dict(zip(self.columns, row, strict=True)) for row in self.rows]
        return json.dumps(rows, indent=2, ensure_ascii=False, allow_nan=False)

    def _markdown(self) -> str:
        cells = [
            list(self.columns),
            ["---"] * len(self.columns),
            *([shown(value) for value in row] for row in self.rows),
        ]
        return "\n".join(
            "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in line) + " |" for line in cells
        )


def _clipped(text: str) -> str:
    """On one line, and not so long that others fall off the screen."""
    text = " ".join(text.split())
    return text if len(text) <= MOST_LETTERS else text[: MOST_LETTERS - 1] + "…"


def shown(value: Value) -> str:
    """A value for people: four digits after the point of what is small, none of what is large."""
    if isinstance(value, float):
        return f"{value:.6g}" if not value.is_integer() and abs(value) < 0.01 else f"{value:.4f}"
    return "" if value is None else str(value)


def of_runs(runs: Sequence[Run], digests: Mapping[str, str], *, extra: Sequence[str] = ()) -> Table:
    """One row a run, in their order.

    Args:
        digests: of the data, by run.
        extra: metrics or parameters that get a column in any case.
    """
    objectives = {run.objective.name for run in runs}
    params = differing(runs, digests)
    columns = [
        "run",
        *(name for name in ("output", "experiment", "status") if len({getattr(r, name) for r in runs}) > 1),
    ]
    columns += [f"best {objectives.pop()}" if len(objectives) == 1 else "best", TEST_METRIC, "seconds"]
    columns += [name for name in extra if name not in (*columns, "best", *params)] + params
    rows = [[value_of(run, "best" if name.startswith("best ") else name, digests) for name in columns] for run in runs]
    return Table([*columns, "id"], [[*row, run.run_id[:8]] for row, run in zip(rows, runs, strict=True)])


def differing(runs: Sequence[Run], digests: Mapping[str, str]) -> list[str]:
    """The parameters in which runs differ, in the order of the config; studies, which have none, don't count."""
    trained = [run for run in runs if run.params]
    names = dict.fromkeys(name for run in trained for name in run.params)
    found = [name for name in names if name not in PLACES and len({run.params.get(name) for run in trained}) > 1]
    return found + ([DIGEST] if len({digests.get(run.run_id) for run in trained}) > 1 else [])


def value_of(run: Run, name: str, digests: Mapping[str, str]) -> Value:
    """A column, metric, parameter or tag of a run; numbers as such."""
    fields: dict[str, Value] = {"run": run.name, "id": run.run_id, "best": run.best, "seconds": run.seconds}
    fields |= {"output": run.output, "experiment": run.experiment, "status": run.status}
    fields |= {DIGEST: digests.get(run.run_id)}
    if name in fields:
        return fields[name]
    recorded = (group[name] for group in (run.metrics, run.params, run.tags) if name in group)
    return _number(next(recorded, None))


def name_of(typed: str, runs: Sequence[Run]) -> str:
    """The column, metric, parameter or tag that a person means: in full, or its last part where only one ends so.

    Raises:
        UserError: there is none, or there are several.
    """
    params = [*FIELDS, *dict.fromkeys(name for run in runs for name in run.params)]
    others = list(dict.fromkeys(name for run in runs for group in (run.metrics, run.tags) for name in group))
    ending = [name for name in params if _same(name.rpartition(".")[2], typed)]
    exact = [name for name in params if _same(name, typed)]
    measured = [name for name in others if _same(name, typed)]
    if found := exact or (ending if len(ending) == 1 else measured):
        return found[0]
    if typed in SYNONYMS and not ending:
        return name_of(SYNONYMS[typed], runs)
    hint = f"; it could be {' or '.join(ending)}" if ending else nearest(typed, [*params, *others])
    raise UserError(f"{typed}: no run has such a column, metric or parameter{hint}")


def where(runs: Sequence[Run], conditions: Sequence[str], digests: Mapping[str, str]) -> list[Run]:
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
    return name_of(parted[1], runs), parted[2].replace("==", "="), parted[3]


def _same(name: str, typed: str) -> bool:
    return name.replace("-", "_") == typed.replace("-", "_")


def _holds(value: Value, sign: str, text: str) -> bool:
    if value is None:
        return False
    wanted = _number(text)
    if sign == "~":
        return text in str(value)
    if sign not in ("=", "!=") and isinstance(value, str) and not isinstance(wanted, str):
        return False  # no number is neither more nor less than one
    pair: tuple[Any, Any] = (str(value), text) if isinstance(value, str) or isinstance(wanted, str) else (value, wanted)
    return bool(OPERATORS[sign](*pair))


def _number(value: Value) -> Value:
    if not isinstance(value, str) or not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", value):
        return value
    if re.fullmatch(r"[+-]?\d{1,18}", value):
        return int(value)
    return float(value) if math.isfinite(float(value)) else value

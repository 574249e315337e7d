"""A table of runs: best value, duration, and the parameters that differ between the runs."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trialmaker.analysis.query import DIGEST, Value, value_of
from trialmaker.analysis.store.runs import TEST_METRIC, Run

# Parameters that say where a run's files lay; two runs that differ in nothing else are the same.
PLACE_PARAMS = {"output", "data.directory", "data.download", "tracking.uri", "tracking.experiment"}
MAX_CELL_LENGTH = 60  # characters of a value in a text table
FORMATS = ("text", "csv", "json", "markdown")


@dataclass(frozen=True)
class Table:
    """Rows of values.

    Args:
        columns: the names of the columns.
        rows: each has a value for each column; None where there is none.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Value]]

    def as_format(self, name: str) -> str:
        """Return the table as ``text`` (aligned), ``csv``, ``json`` (a list of objects) or ``markdown``."""
        return {"text": self._text, "csv": self._csv, "json": self._json, "markdown": self._markdown}[name]()

    def _text(self) -> str:
        cells = [list(self.columns), *([_clip(format_value(value)) for value in row] for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        numeric = [all(isinstance(row[at], float | int | None) for row in self.rows) for at in range(len(self.columns))]
        lines = (
            "  ".join(
                cell.rjust(width) if is_numeric else cell.ljust(width)
                for cell, width, is_numeric in zip(line, widths, numeric, strict=True)
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
            *([format_value(value) for value in row] for row in self.rows),
        ]
        return "\n".join(
            "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in line) + " |" for line in cells
        )


def format_value(value: Value) -> str:
    """Return a value as people read it: floats with 4 decimals, those below 0.01 with 6 significant digits."""
    if isinstance(value, float):
        return f"{value:.6g}" if not value.is_integer() and abs(value) < 0.01 else f"{value:.4f}"
    return "" if value is None else str(value)


def build_table(runs: Sequence[Run], digests: Mapping[str, str], *, extra: Sequence[str] = ()) -> Table:
    """Return a table with one row for each run, in their order.

    Args:
        runs: the runs.
        digests: the digests of the data by the run's id.
        extra: full names of metrics, parameters or tags that get a column in any case.
    """
    objectives = {run.objective.name for run in runs}
    params = differing_params(runs, digests)
    columns = ["run"]
    columns += [name for name in ("output", "experiment", "status") if len({getattr(run, name) for run in runs}) > 1]
    columns += [f"best {objectives.pop()}" if len(objectives) == 1 else "best", TEST_METRIC, "seconds"]
    columns += [name for name in extra if name not in (*columns, "best", *params)] + params
    rows = [[value_of(run, "best" if name.startswith("best ") else name, digests) for name in columns] for run in runs]
    return Table([*columns, "id"], [[*row, run.run_id[:8]] for row, run in zip(rows, runs, strict=True)])


def differing_params(runs: Sequence[Run], digests: Mapping[str, str]) -> list[str]:
    """Return the parameters that differ between runs, in the config's order, and ``data.digest`` if the data differs.

    Studies, which have no parameters, are left out of the comparison.
    """
    runs = [run for run in runs if run.params]
    names = dict.fromkeys(name for run in runs for name in run.params if name not in PLACE_PARAMS)
    params = [name for name in names if len({run.params.get(name) for run in runs}) > 1]
    return params + ([DIGEST] if len({digests.get(run.run_id) for run in runs}) > 1 else [])


def _clip(text: str) -> str:
    """Return a text on one line, cut to the width of a cell."""
    text = " ".join(text.split())
    return text if len(text) <= MAX_CELL_LENGTH else text[: MAX_CELL_LENGTH - 1] + "…"

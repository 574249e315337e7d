"""A table of runs: how good, how long, and the parameters that differ, only those."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trialmaker.analysis.query import DIGEST, Value, value_of
from trialmaker.analysis.store.runs import TEST_METRIC, Run

# Parameters that say where a run's files lay; two runs that differ in nothing else are the same.
PLACE_PARAMS = {"output", "data.directory", "data.download", "tracking.uri", "tracking.experiment"}
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
        cells = [list(self.columns), *([_clipped(format_value(value)) for value in row] for row in self.rows)]
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
            *([format_value(value) for value in row] for row in self.rows),
        ]
        return "\n".join(
            "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in line) + " |" for line in cells
        )


def _clipped(text: str) -> str:
    """On one line, and not so long that others fall off the screen."""
    text = " ".join(text.split())
    return text if len(text) <= MOST_LETTERS else text[: MOST_LETTERS - 1] + "…"


def format_value(value: Value) -> str:
    """A value for people: four digits after the point of what is small, none of what is large."""
    if isinstance(value, float):
        return f"{value:.6g}" if not value.is_integer() and abs(value) < 0.01 else f"{value:.4f}"
    return "" if value is None else str(value)


def build_table(runs: Sequence[Run], digests: Mapping[str, str], *, extra: Sequence[str] = ()) -> Table:
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
    found = [name for name in names if name not in PLACE_PARAMS and len({run.params.get(name) for run in trained}) > 1]
    return found + ([DIGEST] if len({digests.get(run.run_id) for run in trained}) > 1 else [])

"""A table of runs, complete: best value, duration, and the parameters that differ between the runs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trialmaker.analysis.query import DIGEST, NOTE_TAG, Value, value_of
from trialmaker.analysis.store.runs import TEST_METRIC, Run
from trialmaker.errors import printable
from trialmaker.platform.csv_cells import csv_text

# Parameters that say where a run's files lay; two runs that differ in nothing else are the same.
PLACE_PARAMS = {"output", "data.directory", "data.download", "tracking.uri", "tracking.experiment"}
# Parameters that describe a run for people; they are its name, its note and its tags in MLflow.
DESCRIPTIVE_PARAMS = {"name", "note", "tags", "tracking.run_name"}
OWN_TAG_PREFIXES = ("mlflow.", "trialmaker.", "best.")  # of the tags that MLflow and TrialMaker set
RUN_PROPERTIES = ("output", "experiment", "status")  # that tables show where they differ
COMPLETE_FORMATS = ("csv", "json", "markdown")
MARKDOWN_ESCAPES = str.maketrans({"\\": r"\\", "|": r"\|", "&": "&amp;", "<": "&lt;", ">": "&gt;"})
FORMATS = ("text", *COMPLETE_FORMATS, "latex")


@dataclass(frozen=True)
class Table:
    """Rows of values.

    Args:
        columns: the names of the columns.
        rows: each has a value for each column; None where there is none.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Value]]

    def is_numeric(self, at: int) -> bool:
        """Return whether a column holds nothing but numbers."""
        return all(isinstance(row[at], float | int | None) for row in self.rows)

    def as_format(self, name: str) -> str:
        """Return the table as ``csv``, ``json`` (a list of objects) or ``markdown``."""
        return {"csv": self._csv, "json": self._json, "markdown": self._markdown}[name]()

    def _csv(self) -> str:
        return csv_text([self.columns, *self.rows]).rstrip("\n")

    def _json(self) -> str:
        rows = [dict(zip(self.columns, row, strict=True)) for row in self.rows]
        text = json.dumps(rows, indent=2, ensure_ascii=False, allow_nan=False)
        return "".join(char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1] for char in text)

    def _markdown(self) -> str:
        rows = [[cell_text(value) for value in row] for row in self.rows]
        cells = [list(self.columns), ["---"] * len(self.columns), *rows]
        return "\n".join(
            "| " + " | ".join(printable(cell).translate(MARKDOWN_ESCAPES) for cell in line) + " |" for line in cells
        )


def format_value(value: Value) -> str:
    """Return a value as people read it: floats with 4 decimals, those below 0.01 with 6 significant digits."""
    if isinstance(value, float):
        return f"{value:.6g}" if not value.is_integer() and abs(value) < 0.01 else f"{value:.4f}"
    return "" if value is None else str(value)


def counted(count: int, noun: str) -> str:
    """Return a number of things, such as ``1 run`` or ``2 runs``."""
    return f"{count} {noun}{'s' * (count != 1)}"


def cell_text(value: Value) -> str:
    """Return a value as people read it, on one line, unprintable characters as escapes."""
    return printable(" ".join(format_value(value).split()))


def build_table(
    runs: Sequence[Run], digests: Mapping[str, str], *, extra: Sequence[str] = (), columns: Sequence[str] = ()
) -> Table:
    """Return a table with one row for each run, in their order, and all that differs between them.

    Args:
        runs: the runs.
        digests: the digests of the data by the run's id.
        extra: full names of metrics, parameters or tags that get a column in any case.
        columns: full names of the only columns; none for all that differ.
    """
    if columns:
        return select_columns(runs, digests, columns)
    objectives = {run.objective.name for run in runs}
    params = differing_params(runs, digests)
    names = ["run", *differing_properties(runs)]
    names += [f"best {objectives.pop()}" if len(objectives) == 1 else "best", TEST_METRIC, "seconds"]
    names += [name for name in extra if name not in (*names, "best", *params)] + params
    names += [name for name in differing_tags(runs) if name not in names]
    rows = [[value_of(run, "best" if name.startswith("best ") else name, digests) for name in names] for run in runs]
    notes = [run.tags.get(NOTE_TAG) for run in runs]
    if any(notes):
        names, rows = [*names, "note"], [[*row, note] for row, note in zip(rows, notes, strict=True)]
    return Table([*names, "id"], [[*row, run.run_id[:8]] for row, run in zip(rows, runs, strict=True)])


def select_columns(runs: Sequence[Run], digests: Mapping[str, str], columns: Sequence[str]) -> Table:
    """Return a table of named columns, metrics, parameters or tags, with one row for each run."""
    rows = [[run.run_id[:8] if name == "id" else value_of(run, name, digests) for name in columns] for run in runs]
    return Table(columns, rows)


def differing_properties(runs: Sequence[Run]) -> list[str]:
    """Return which of output, experiment and status differ between runs; the status, too, where no run finished."""
    values = {name: {getattr(run, name) for run in runs} for name in RUN_PROPERTIES}
    return [name for name in RUN_PROPERTIES if len(values[name] | ({"FINISHED"} if name == "status" else set())) > 1]


def differing_params(runs: Sequence[Run], digests: Mapping[str, str]) -> list[str]:
    """Return the parameters that differ between runs, in the config's order, and ``data.digest`` if the data differs.

    Studies, which have no parameters, are left out of the comparison.
    """
    runs = [run for run in runs if run.params]
    names = dict.fromkeys(name for run in runs for name in run.params if not is_place_or_description(name))
    params = [name for name in names if len({run.params.get(name) for run in runs}) > 1]
    return params + ([DIGEST] if len({digests.get(run.run_id) for run in runs}) > 1 else [])


def differing_tags(runs: Sequence[Run]) -> list[str]:
    """Return the tags that people set and that differ between runs."""
    names = dict.fromkeys(name for run in runs for name in run.tags if not name.startswith(OWN_TAG_PREFIXES))
    return [name for name in names if len({run.tags.get(name) for run in runs}) > 1]


def is_place_or_description(param: str) -> bool:
    """Return whether a parameter says nothing about the training itself."""
    return param in PLACE_PARAMS or param in DESCRIPTIVE_PARAMS or param.startswith("tags.")

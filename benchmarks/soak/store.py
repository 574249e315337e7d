"""Every table of an output's mlflow.db, each row once, with what may differ masked."""

import re
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from soak.masks import OF_CHECKOUT, TIMES, Masks

SYSTEM = "system/"  # metrics of the machine: as many as the run had time for
TIME_COLUMNS = re.compile(r"time|timestamp")
METRIC_TABLES = {"metrics": ("key", "value"), "latest_metrics": ("key", "value")}
METRIC_TABLES |= {"logged_model_metrics": ("metric_name", "metric_value")}

Row = dict[str, Any]


def tables(path: Path, masks: Masks) -> dict[str, list[str]]:
    """Return the rows of each table, as sorted texts.

    Args:
        path: of the database, which is opened as it lies there.
        masks: learns the names of a study's runs.
    """
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        connection.row_factory = sqlite3.Row
        names = [name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]
        rows = {name: [dict(row) for row in connection.execute(f'select * from "{name}"')] for name in sorted(names)}
    connection.close()
    masks.names |= {row["run_uuid"]: f"run {row['name']}" for row in rows.get("runs", [])}
    masks.names |= _names_of_trials(rows.get("tags", []))
    models = [(row["model_id"], row["source_run_id"]) for row in rows.get("logged_models", [])]
    masks.names |= {model: f"model of {masks.names.get(run, run)}" for model, run in models}
    return {name: _texts(name, rows[name], masks) for name in rows}


def _names_of_trials(tags: Sequence[Row]) -> Mapping[str, str]:
    """Return what to call the runs of a study's trials, and of the study: by their number."""
    return {tag["run_uuid"]: f"run of trial {tag['value']}" for tag in tags if tag["key"] == "trialmaker.trial"}


def _texts(table: str, rows: Sequence[Row], masks: Masks) -> list[str]:
    key, value = METRIC_TABLES.get(table, ("", ""))
    texts, system = [], set()
    for row in rows:
        if key and row[key].startswith(SYSTEM):
            system.add(f"{row[key]} of {masks.text(row.get('run_uuid') or '')}: is there")
            continue
        if key and row[key] in TIMES:
            row[value] = "MASKED"
        if table == "tags" and OF_CHECKOUT.search(row["key"]):
            row["value"] = "MASKED"
        texts.append(" ".join(f"{column}={_cell(column, cell, masks)}" for column, cell in row.items()))
    return sorted([*texts, *system])


def _cell(column: str, cell: Any, masks: Masks) -> str:
    if cell is not None and TIME_COLUMNS.search(column):
        return "TIME"
    return masks.text(cell) if isinstance(cell, str) else repr(cell)

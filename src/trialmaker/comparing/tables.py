"""How each of MLflow's tables is brought from one store into another.

Most keys are unique everywhere (runs, models) or natural (a metric's run, name and step). Three are a store's own and
mapped: experiments' numbers (by name), data sets' ids (by name and digest), and registered models' version numbers.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Columns with addresses of artifacts. A test asks MLflow's schema for others.
PATHS = {
    "runs": {"artifact_uri"},
    "logged_models": {"artifact_location"},
    "model_versions": {"source", "storage_location"},
    "experiments": {"artifact_location"},
}
HERE = "(SELECT artifact_location FROM main.experiments WHERE experiment_id = 0)"  # for runs made in the merged store
MAPPED = {
    "experiment_id": "(SELECT new FROM temp.experiment_ids WHERE old = {table}.experiment_id)",
    "dataset_uuid": "coalesce((SELECT new FROM temp.dataset_ids WHERE old = {table}.dataset_uuid), dataset_uuid)",
    "source_id": "coalesce((SELECT new FROM temp.dataset_ids WHERE old = {table}.source_id), source_id)",
    "version": "(SELECT new FROM temp.version_numbers v WHERE v.name = {table}.name AND v.old = {table}.version)",
    "workspace": "'default'",
}
KEEP, REPLACE = "DO NOTHING", "DO UPDATE SET {all}"
# Two outputs may hold one run: that of a copy made while it went on must not replace its end.
LATER = "DO UPDATE SET {all} WHERE excluded.end_time IS NOT NULL OR runs.end_time IS NULL"
NEWER = (
    "DO UPDATE SET {all} WHERE (excluded.step, excluded.timestamp) >= (latest_metrics.step, latest_metrics.timestamp)"
)
# In this order, as what is mapped comes before what refers to it.
COPIED = {
    "experiment_tags": KEEP,
    "runs": LATER,
    "tags": REPLACE,
    "params": KEEP,
    "latest_metrics": NEWER,
    "metrics": KEEP,
    "datasets": KEEP,
    "inputs": KEEP,
    "input_tags": KEEP,
    "logged_models": REPLACE,
    "logged_model_metrics": KEEP,
    "logged_model_params": KEEP,
    "logged_model_tags": REPLACE,
    "registered_models": KEEP,
    "registered_model_tags": KEEP,
    "model_versions": KEEP,
    "model_version_tags": KEEP,
    "registered_model_aliases": KEEP,
}
UPDATES = {  # other than excluded.column
    "artifact_uri": "CASE WHEN is_there(excluded.artifact_uri) THEN excluded.artifact_uri ELSE runs.artifact_uri END",
    "lifecycle_stage": "max(excluded.lifecycle_stage, {table}.lifecycle_stage)",  # active, deleted: the later letter
}
EXPERIMENT_IDS = """
CREATE TEMP TABLE experiment_ids AS SELECT s.experiment_id AS old, m.experiment_id AS new
FROM source.experiments s JOIN main.experiments m USING (name)
"""
DATASET_IDS = """
INSERT INTO temp.dataset_ids SELECT s.dataset_uuid AS old, m.dataset_uuid AS new
FROM source.datasets s JOIN temp.experiment_ids e ON e.old = s.experiment_id
JOIN main.datasets m ON (m.experiment_id, m.name, m.digest) = (e.new, s.name, s.digest)
"""
CHANGED = """
CREATE TEMP TABLE changed AS
SELECT run_uuid FROM (SELECT run_uuid, count(*) AS points FROM source.metrics GROUP BY run_uuid) s
WHERE points <> (SELECT count(*) FROM main.metrics m WHERE m.run_uuid = s.run_uuid)
"""
VERSION_NUMBERS = """
CREATE TEMP TABLE version_numbers AS SELECT s.name, s.version AS old, coalesce(
    (SELECT version FROM main.model_versions m
     WHERE m.name = s.name AND m.creation_time = s.creation_time AND m.run_id IS s.run_id),
    CASE WHEN NOT EXISTS (SELECT 1 FROM main.model_versions m WHERE m.name = s.name AND m.version = s.version)
         THEN s.version END,
    max((SELECT coalesce(max(version), 0) FROM main.model_versions m WHERE m.name = s.name),
        (SELECT max(version) FROM source.model_versions o WHERE o.name = s.name))
    + row_number() OVER (PARTITION BY s.name ORDER BY s.version)) AS new
FROM source.model_versions s
"""
MODELS = "SELECT model_id FROM logged_models WHERE source_run_id = :run"
REMOVAL = (
    *(f"DELETE FROM {table} WHERE run_uuid = :run" for table in ("tags", "params", "metrics", "latest_metrics")),
    "DELETE FROM input_tags WHERE input_uuid IN "
    "(SELECT input_uuid FROM inputs WHERE :run IN (source_id, destination_id))",
    "DELETE FROM inputs WHERE :run IN (source_id, destination_id)",
    *(f"DELETE FROM logged_model_{part} WHERE model_id IN ({MODELS})" for part in ("metrics", "params", "tags")),
    "DELETE FROM logged_models WHERE source_run_id = :run",
    "DELETE FROM runs WHERE run_uuid = :run",
)


def statements(columns: Callable[[str, str], list[str]]) -> Iterator[str]:
    """The SQL that brings all of the schema ``source`` into ``main``, both of one revision of MLflow's schema.

    It uses the functions ``relocated`` and ``is_there`` of addresses.

    Args:
        columns: given a schema and a table, its columns' names.
    """
    for name in ("experiment_ids", "dataset_ids", "changed", "version_numbers"):
        yield f"DROP TABLE IF EXISTS temp.{name}"
    yield "CREATE TEMP TABLE dataset_ids (old TEXT PRIMARY KEY, new TEXT)"
    yield from _experiments(columns("source", "experiments"))
    yield EXPERIMENT_IDS
    yield CHANGED
    yield VERSION_NUMBERS
    for table, conflict in COPIED.items():
        yield _insertion(table, columns("source", table), conflict)
        if table == "datasets":
            yield DATASET_IDS


def _experiments(columns: list[str]) -> Iterator[str]:
    """Those with runs or models, under numbers of this store."""
    names = [name for name in columns if name != "experiment_id"]
    values = [{"artifact_location": HERE, "workspace": "'default'"}.get(name, name) for name in names]
    yield (
        f"INSERT OR IGNORE INTO main.experiments ({', '.join(names)}) "
        f"SELECT {', '.join(values)} FROM source.experiments WHERE name NOT IN (SELECT name FROM main.experiments) "
        "AND (experiment_id IN (SELECT experiment_id FROM source.runs) "
        "OR experiment_id IN (SELECT experiment_id FROM source.logged_models))"
    )
    yield (
        "UPDATE main.experiments SET lifecycle_stage = 'active' "
        "WHERE name IN (SELECT name FROM source.experiments WHERE lifecycle_stage = 'active')"
    )


def _insertion(table: str, columns: list[str], conflict: str) -> str:
    values = []
    for column in columns:
        mapped = MAPPED.get(column, column).format(table=table)
        values.append(f"relocated({column})" if column in PATHS.get(table, ()) else mapped)
    only = "run_uuid IN (SELECT run_uuid FROM temp.changed)" if table == "metrics" else "true"
    if "experiment_id" in columns:
        only += " AND experiment_id IN (SELECT old FROM temp.experiment_ids)"
    changes = ", ".join(
        f"{column} = {UPDATES.get(column, 'excluded.' + column).format(table=table)}" for column in columns
    )
    return (
        f"INSERT INTO main.{table} ({', '.join(columns)}) SELECT {', '.join(values)} FROM source.{table} AS {table} "
        f"WHERE {only} ON CONFLICT {conflict.format(all=changes)}"
    )


def is_there(address: str | None) -> bool:
    """Whether a file's address names something; addresses on the network are taken at their word."""
    parts = urlsplit(address or "")
    return parts.scheme not in ("", "file") or Path(unquote(parts.path)).exists()

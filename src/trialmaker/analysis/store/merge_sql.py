"""SQL that merges the tables of one MLflow store into another.

Most keys are unique everywhere (runs, models) or natural (a metric's run, name and step). Three are valid in one store
only and are mapped: experiment ids (by name), data set ids (by name and digest), and version numbers of registered
models.

What was merged before is recorded in tables of our own, ``trialmaker_*``, so that people may rename, tag and delete in
the merged store: a later merge changes only what has changed in the output since then.

The statements are written for the schema of MLflow 3.17; a test compares its tables and columns with those named here.
"""

from collections.abc import Callable, Iterator

# Columns that hold artifact addresses. A test searches MLflow's schema for others.
ADDRESS_COLUMNS = {
    "runs": {"artifact_uri"},
    "logged_models": {"artifact_location"},
    "model_versions": {"source", "storage_location"},
    "experiments": {"artifact_location"},
}
# An experiment's artifact folder in the merged store, for runs that are made there.
DEFAULT_ARTIFACT_FOLDER = "(SELECT artifact_location FROM main.experiments WHERE experiment_id = 0)"
# A column's value in the merged store, where it is not the source's.
COLUMN_MAPPINGS = {
    "experiment_id": "(SELECT new FROM temp.experiment_ids WHERE old = {table}.experiment_id)",
    "dataset_uuid": "coalesce((SELECT new FROM temp.dataset_ids WHERE old = {table}.dataset_uuid), dataset_uuid)",
    "source_id": "coalesce((SELECT new FROM temp.dataset_ids WHERE old = {table}.source_id), source_id)",
    "version": "(SELECT new FROM temp.version_numbers v WHERE v.name = {table}.name AND v.old = {table}.version)",
    "workspace": "'default'",
}
KEEP, REPLACE = "DO NOTHING", "DO UPDATE SET {assignments}"
# The tables to copy and what to do with a row that exists. The order matters: mapped keys precede references to them.
MERGED_TABLES = {
    "experiment_tags": KEEP,
    "runs": REPLACE,
    "tags": REPLACE,
    "params": KEEP,
    "latest_metrics": REPLACE,
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
IS_LATEST = "run_uuid IN (SELECT run_uuid FROM temp.latest_runs)"
ROW_CONDITIONS = {
    "runs": IS_LATEST,
    "tags": f"{IS_LATEST} AND value IS NOT "
    "(SELECT value FROM trialmaker_tags t WHERE (t.run_uuid, t.key) = (tags.run_uuid, tags.key))",
    "latest_metrics": IS_LATEST,
    "metrics": "run_uuid IN (SELECT run_uuid FROM temp.changed_runs)",
    "logged_models": "coalesce(source_run_id IN (SELECT run_uuid FROM temp.latest_runs), true)",
}
EXISTING_ADDRESS = (
    "CASE WHEN artifacts_exist(excluded.{0}) OR NOT artifacts_exist({1}.{0}) THEN excluded.{0} ELSE {1}.{0} END"
)
# Keeps a value that people changed in the merged store, until the output changes it.
CHANGED_BY_OUTPUT = (
    "CASE WHEN excluded.{0} IS (SELECT {0} FROM trialmaker_runs r WHERE r.run_uuid = runs.run_uuid) "
    "THEN runs.{0} ELSE excluded.{0} END"
)
ASSIGNMENTS = {  # where it is not excluded.column
    ("runs", "artifact_uri"): EXISTING_ADDRESS.format("artifact_uri", "runs"),
    ("runs", "name"): CHANGED_BY_OUTPUT.format("name"),
    ("runs", "lifecycle_stage"): CHANGED_BY_OUTPUT.format("lifecycle_stage"),
    ("logged_models", "artifact_location"): EXISTING_ADDRESS.format("artifact_location", "logged_models"),
}
RECORD_TABLES = """
CREATE TABLE IF NOT EXISTS trialmaker_sources (database TEXT PRIMARY KEY, stamp TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS trialmaker_source_runs (
    database TEXT NOT NULL, run_uuid TEXT NOT NULL, time INTEGER NOT NULL, PRIMARY KEY (database, run_uuid));
CREATE TABLE IF NOT EXISTS trialmaker_experiments (name TEXT PRIMARY KEY, experiment_id INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS trialmaker_runs (run_uuid TEXT PRIMARY KEY, name TEXT, lifecycle_stage TEXT);
CREATE TABLE IF NOT EXISTS trialmaker_tags (
    run_uuid TEXT NOT NULL, key TEXT NOT NULL, value TEXT, PRIMARY KEY (run_uuid, key));
"""
# Two outputs may hold the same run, one of them as a copy made while it ran. The later state is taken.
SOURCE_RUNS = """
INSERT INTO trialmaker_source_runs SELECT :database, run_uuid, max(coalesce(r.start_time, 0), coalesce(r.end_time, 0),
    coalesce((SELECT max(timestamp) FROM source.latest_metrics m WHERE m.run_uuid = r.run_uuid), 0)) FROM source.runs r
"""
LATEST_RUNS = """
CREATE TEMP TABLE latest_runs AS SELECT run_uuid FROM trialmaker_source_runs s WHERE database = :database
AND time >= (SELECT max(time) FROM trialmaker_source_runs o WHERE o.run_uuid = s.run_uuid)
"""
EXPERIMENT_IDS = """
CREATE TEMP TABLE experiment_ids AS SELECT s.experiment_id AS old, m.experiment_id AS new
FROM source.experiments s JOIN trialmaker_experiments m USING (name)
"""
DATASET_IDS = """
INSERT INTO temp.dataset_ids SELECT s.dataset_uuid AS old, m.dataset_uuid AS new
FROM source.datasets s JOIN temp.experiment_ids e ON e.old = s.experiment_id
JOIN main.datasets m ON (m.experiment_id, m.name, m.digest) = (e.new, s.name, s.digest)
"""
# Runs whose number of metric values differs from that in the merged store.
CHANGED_RUNS = """
CREATE TEMP TABLE changed_runs AS
SELECT run_uuid FROM (SELECT run_uuid, count(*) AS points FROM source.metrics GROUP BY run_uuid) s
WHERE points <> (SELECT count(*) FROM main.metrics m WHERE m.run_uuid = s.run_uuid)
AND run_uuid IN (SELECT run_uuid FROM temp.latest_runs)
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
FINAL_STATEMENTS = (
    # tags that were removed from the output, unless people have changed them in the merged store
    "DELETE FROM main.tags WHERE (run_uuid, key, value) IN (SELECT run_uuid, key, value FROM trialmaker_tags t "
    f"WHERE {IS_LATEST} AND NOT EXISTS (SELECT 1 FROM source.tags s WHERE (s.run_uuid, s.key) = (t.run_uuid, t.key)))",
    f"DELETE FROM trialmaker_tags WHERE {IS_LATEST}",
    f"INSERT INTO trialmaker_tags SELECT run_uuid, key, value FROM source.tags WHERE {IS_LATEST}",
    f"REPLACE INTO trialmaker_runs SELECT run_uuid, name, lifecycle_stage FROM source.runs WHERE {IS_LATEST}",
    # where the later state of a run has no files, the files of the earlier one
    "UPDATE main.runs SET artifact_uri = relocated(s.artifact_uri) FROM source.runs s WHERE s.run_uuid = runs.run_uuid "
    "AND NOT artifacts_exist(runs.artifact_uri) AND artifacts_exist(relocated(s.artifact_uri))",
    "UPDATE main.logged_models SET artifact_location = relocated(s.artifact_location) FROM source.logged_models s "
    "WHERE s.model_id = logged_models.model_id "
    "AND NOT artifacts_exist(logged_models.artifact_location) AND artifacts_exist(relocated(s.artifact_location))",
)
RUN_MODELS = "SELECT model_id FROM logged_models WHERE source_run_id = :run"
REMOVE_RUN = (
    *(f"DELETE FROM {table} WHERE run_uuid = :run" for table in ("tags", "params", "metrics", "latest_metrics")),
    "DELETE FROM input_tags WHERE input_uuid IN "
    "(SELECT input_uuid FROM inputs WHERE :run IN (source_id, destination_id))",
    "DELETE FROM inputs WHERE :run IN (source_id, destination_id)",
    *(f"DELETE FROM logged_model_{part} WHERE model_id IN ({RUN_MODELS})" for part in ("metrics", "params", "tags")),
    "DELETE FROM logged_models WHERE source_run_id = :run",
    *(f"DELETE FROM {table} WHERE run_uuid = :run" for table in ("runs", "trialmaker_runs", "trialmaker_tags")),
)


def statements(columns: Callable[[str], list[str]]) -> Iterator[str]:
    """Yield the SQL that merges the attached database ``source`` into ``main``, both of one revision of the schema.

    The statements use the SQL functions ``relocated`` and ``artifacts_exist`` of an address, and the parameter
    ``database``, the path of the source's SQLite file.

    Args:
        columns: given the name of a table, returns the names of its columns.
    """
    for name in ("experiment_ids", "dataset_ids", "changed_runs", "version_numbers", "latest_runs"):
        yield f"DROP TABLE IF EXISTS temp.{name}"
    yield "CREATE TEMP TABLE dataset_ids (old TEXT PRIMARY KEY, new TEXT)"
    yield SOURCE_RUNS
    yield LATEST_RUNS
    yield from _experiments(columns("experiments"))
    yield EXPERIMENT_IDS
    yield CHANGED_RUNS
    yield VERSION_NUMBERS
    yield "DELETE FROM main.metrics WHERE run_uuid IN (SELECT run_uuid FROM temp.changed_runs)"
    for table, conflict in MERGED_TABLES.items():
        yield _insertion(table, columns(table), conflict)
        if table == "datasets":
            yield DATASET_IDS
    yield from FINAL_STATEMENTS


def _experiments(columns: list[str]) -> Iterator[str]:
    """Yield the SQL that adds missing experiments that have runs or models, matched by their name in the outputs."""
    names = [name for name in columns if name != "experiment_id"]
    values = {"artifact_location": DEFAULT_ARTIFACT_FOLDER, "workspace": "'default'", "lifecycle_stage": "'active'"}
    yield (
        f"INSERT OR IGNORE INTO main.experiments ({', '.join(names)}) "
        f"SELECT {', '.join(values.get(name, name) for name in names)} FROM source.experiments "
        "WHERE name NOT IN (SELECT name FROM trialmaker_experiments) "
        "AND (experiment_id IN (SELECT experiment_id FROM source.runs) "
        "OR experiment_id IN (SELECT experiment_id FROM source.logged_models))"
    )
    yield (
        "INSERT OR IGNORE INTO trialmaker_experiments SELECT name, experiment_id FROM main.experiments "
        "WHERE name IN (SELECT name FROM source.experiments)"
    )


def _insertion(table: str, columns: list[str], conflict: str) -> str:
    values = []
    for column in columns:
        mapped = COLUMN_MAPPINGS.get(column, column).format(table=table)
        values.append(f"relocated({column})" if column in ADDRESS_COLUMNS.get(table, ()) else mapped)
    condition = ROW_CONDITIONS.get(table, "true")
    if "experiment_id" in columns:
        condition += " AND experiment_id IN (SELECT old FROM temp.experiment_ids)"
    assignments = ", ".join(
        f"{column} = {ASSIGNMENTS.get((table, column), f'excluded.{column}')}" for column in columns
    )
    return (
        f"INSERT INTO main.{table} ({', '.join(columns)}) SELECT {', '.join(values)} FROM source.{table} AS {table} "
        f"WHERE {condition} ON CONFLICT {conflict.format(assignments=assignments)}"
    )

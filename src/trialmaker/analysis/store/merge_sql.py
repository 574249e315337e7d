"""How each of MLflow's tables is brought from one store into another.

Most keys are unique everywhere (runs, models) or natural (a metric's run, name and step). Three are a store's own and
mapped: experiments' numbers (by name), data sets' ids (by name and digest), and registered models' version numbers.

What was brought before is kept in tables of our own, so that people may rename, tag and delete in the merged store:
there, only what has changed in the output since then is changed.
"""

from collections.abc import Callable, Iterator

from trialmaker.analysis.store.relocation import local_path

# Columns with addresses of artifacts. A test asks MLflow's schema for others.
ADDRESS_COLUMNS = {
    "runs": {"artifact_uri"},
    "logged_models": {"artifact_location"},
    "model_versions": {"source", "storage_location"},
    "experiments": {"artifact_location"},
}
DEFAULT_ARTIFACTS = (
    "(SELECT artifact_location FROM main.experiments WHERE experiment_id = 0)"  # for runs made in the merged store
)
MAPPED = {
    "experiment_id": "(SELECT new FROM temp.experiment_ids WHERE old = {table}.experiment_id)",
    "dataset_uuid": "coalesce((SELECT new FROM temp.dataset_ids WHERE old = {table}.dataset_uuid), dataset_uuid)",
    "source_id": "coalesce((SELECT new FROM temp.dataset_ids WHERE old = {table}.source_id), source_id)",
    "version": "(SELECT new FROM temp.version_numbers v WHERE v.name = {table}.name AND v.old = {table}.version)",
    "workspace": "'default'",
}
KEEP, REPLACE = "DO NOTHING", "DO UPDATE SET {all}"
# In this order, as what is mapped comes before what refers to it.
COPIED = {
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
IN_WON = "run_uuid IN (SELECT run_uuid FROM temp.won)"
ONLY = {
    "runs": IN_WON,
    "tags": f"{IN_WON} AND value IS NOT "
    "(SELECT value FROM trialmaker_tags t WHERE (t.run_uuid, t.key) = (tags.run_uuid, tags.key))",
    "latest_metrics": IN_WON,
    "metrics": "run_uuid IN (SELECT run_uuid FROM temp.changed)",
    "logged_models": "coalesce(source_run_id IN (SELECT run_uuid FROM temp.won), true)",
}
THERE = "CASE WHEN is_there(excluded.{0}) OR NOT is_there({1}.{0}) THEN excluded.{0} ELSE {1}.{0} END"
SAME = (
    "CASE WHEN excluded.{0} IS (SELECT {0} FROM trialmaker_runs r WHERE r.run_uuid = runs.run_uuid) "
    "THEN runs.{0} ELSE excluded.{0} END"
)
UPDATES = {  # other than excluded.column
    ("runs", "artifact_uri"): THERE.format("artifact_uri", "runs"),
    ("runs", "name"): SAME.format("name"),
    ("runs", "lifecycle_stage"): SAME.format("lifecycle_stage"),
    ("logged_models", "artifact_location"): THERE.format("artifact_location", "logged_models"),
}
BOOKS = """
CREATE TABLE IF NOT EXISTS trialmaker_sources (database TEXT PRIMARY KEY, stamp TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS trialmaker_source_runs (
    database TEXT NOT NULL, run_uuid TEXT NOT NULL, time INTEGER NOT NULL, PRIMARY KEY (database, run_uuid));
CREATE TABLE IF NOT EXISTS trialmaker_experiments (name TEXT PRIMARY KEY, experiment_id INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS trialmaker_runs (run_uuid TEXT PRIMARY KEY, name TEXT, lifecycle_stage TEXT);
CREATE TABLE IF NOT EXISTS trialmaker_tags (
    run_uuid TEXT NOT NULL, key TEXT NOT NULL, value TEXT, PRIMARY KEY (run_uuid, key));
"""
# Two outputs may hold one run, of which one is a copy made while it went on. The later state wins.
SOURCE_RUNS = """
INSERT INTO trialmaker_source_runs SELECT :database, run_uuid, max(coalesce(r.start_time, 0), coalesce(r.end_time, 0),
    coalesce((SELECT max(timestamp) FROM source.latest_metrics m WHERE m.run_uuid = r.run_uuid), 0)) FROM source.runs r
"""
WINNERS = """
CREATE TEMP TABLE won AS SELECT run_uuid FROM trialmaker_source_runs s WHERE database = :database
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
CHANGED = """
CREATE TEMP TABLE changed AS
SELECT run_uuid FROM (SELECT run_uuid, count(*) AS points FROM source.metrics GROUP BY run_uuid) s
WHERE points <> (SELECT count(*) FROM main.metrics m WHERE m.run_uuid = s.run_uuid)
AND run_uuid IN (SELECT run_uuid FROM temp.won)
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
AFTERWARDS = (
    # tags that the output had before and has no more, where nobody has changed them
    "DELETE FROM main.tags WHERE (run_uuid, key, value) IN (SELECT run_uuid, key, value FROM trialmaker_tags t "
    f"WHERE {IN_WON} AND NOT EXISTS (SELECT 1 FROM source.tags s WHERE (s.run_uuid, s.key) = (t.run_uuid, t.key)))",
    f"DELETE FROM trialmaker_tags WHERE {IN_WON}",
    f"INSERT INTO trialmaker_tags SELECT run_uuid, key, value FROM source.tags WHERE {IN_WON}",
    f"REPLACE INTO trialmaker_runs SELECT run_uuid, name, lifecycle_stage FROM source.runs WHERE {IN_WON}",
    # where the later state has no files, those of the earlier one
    "UPDATE main.runs SET artifact_uri = relocated(s.artifact_uri) FROM source.runs s WHERE s.run_uuid = runs.run_uuid "
    "AND NOT is_there(runs.artifact_uri) AND is_there(relocated(s.artifact_uri))",
    "UPDATE main.logged_models SET artifact_location = relocated(s.artifact_location) FROM source.logged_models s "
    "WHERE s.model_id = logged_models.model_id "
    "AND NOT is_there(logged_models.artifact_location) AND is_there(relocated(s.artifact_location))",
)
MODELS = "SELECT model_id FROM logged_models WHERE source_run_id = :run"
REMOVAL = (
    *(f"DELETE FROM {table} WHERE run_uuid = :run" for table in ("tags", "params", "metrics", "latest_metrics")),
    "DELETE FROM input_tags WHERE input_uuid IN "
    "(SELECT input_uuid FROM inputs WHERE :run IN (source_id, destination_id))",
    "DELETE FROM inputs WHERE :run IN (source_id, destination_id)",
    *(f"DELETE FROM logged_model_{part} WHERE model_id IN ({MODELS})" for part in ("metrics", "params", "tags")),
    "DELETE FROM logged_models WHERE source_run_id = :run",
    *(f"DELETE FROM {table} WHERE run_uuid = :run" for table in ("runs", "trialmaker_runs", "trialmaker_tags")),
)


def statements(columns: Callable[[str], list[str]]) -> Iterator[str]:
    """The SQL that brings all of the schema ``source`` into ``main``, both of one revision of MLflow's schema.

    It uses the functions ``relocated`` and ``is_there`` of addresses, and the parameter ``database``.

    Args:
        columns: given a table, its columns' names.
    """
    for name in ("experiment_ids", "dataset_ids", "changed", "version_numbers", "won"):
        yield f"DROP TABLE IF EXISTS temp.{name}"
    yield "CREATE TEMP TABLE dataset_ids (old TEXT PRIMARY KEY, new TEXT)"
    yield SOURCE_RUNS
    yield WINNERS
    yield from _experiments(columns("experiments"))
    yield EXPERIMENT_IDS
    yield CHANGED
    yield VERSION_NUMBERS
    yield "DELETE FROM main.metrics WHERE run_uuid IN (SELECT run_uuid FROM temp.changed)"
    for table, conflict in COPIED.items():
        yield _insertion(table, columns(table), conflict)
        if table == "datasets":
            yield DATASET_IDS
    yield from AFTERWARDS


def _experiments(columns: list[str]) -> Iterator[str]:
    """Those with runs or models, under numbers of this store, by the name that they have in outputs."""
    names = [name for name in columns if name != "experiment_id"]
    own = {"artifact_location": DEFAULT_ARTIFACTS, "workspace": "'default'", "lifecycle_stage": "'active'"}
    yield (
        f"INSERT OR IGNORE INTO main.experiments ({', '.join(names)}) "
        f"SELECT {', '.join(own.get(name, name) for name in names)} FROM source.experiments "
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
        mapped = MAPPED.get(column, column).format(table=table)
        values.append(f"relocated({column})" if column in ADDRESS_COLUMNS.get(table, ()) else mapped)
    only = ONLY.get(table, "true")
    if "experiment_id" in columns:
        only += " AND experiment_id IN (SELECT old FROM temp.experiment_ids)"
    changes = ", ".join(f"{column} = {UPDATES.get((table, column), f'excluded.{column}')}" for column in columns)
    return (
        f"INSERT INTO main.{table} ({', '.join(columns)}) SELECT {', '.join(values)} FROM source.{table} AS {table} "
        f"WHERE {only} ON CONFLICT {conflict.format(all=changes)}"
    )


def is_there(address: str | None) -> bool:
    """Whether a file's address names something; addresses on the network are taken at their word."""
    path = local_path(address)
    return path.exists() if path else bool(address)

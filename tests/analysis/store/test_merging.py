"""Many outputs as one MLflow store: everything arrives, wherever it was made, and nothing is written to the outputs."""

import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.store.db.base_sql_model import Base

from support.entry import PROJECT
from support.outputs import begun, contents, merged, rows, store_in, tables, told, tree
from trialmaker.analysis.store import merge_sql

# Tables that are not merged, and why.
LEFT_OUT = {
    "prompts of and traces from language models, and their evaluation": {
        *(
            "trace_info",
            "trace_tags",
            "trace_request_metadata",
            "trace_metrics",
            "spans",
            "span_metrics",
            "assessments",
        ),
        *("sql_trace_metric_daily_rollups", "sql_span_cost_daily_rollups", "sql_assessment_daily_rollups"),
        *(
            "sql_trace_rollup_rebuild_queue",
            "evaluation_datasets",
            "evaluation_dataset_tags",
            "evaluation_dataset_records",
        ),
        *("entity_associations", "scorers", "scorer_versions", "online_scoring_configs", "issues"),
        *("label_schemas", "review_queues", "review_queue_users", "review_queue_items", "review_queue_label_schemas"),
    },
    "settings and secrets of one server": {
        *("secrets", "endpoints", "model_definitions", "endpoint_model_mappings", "endpoint_bindings", "endpoint_tags"),
        *("budget_policies", "guardrails", "guardrail_configs", "webhooks", "webhook_events", "workspaces", "jobs"),
        *("job_locks", "scheduler_leases", "mcp_servers", "mcp_server_versions", "mcp_server_tags"),
        *("mcp_server_version_tags", "mcp_server_aliases", "mcp_access_endpoints"),
    },
}
# Columns of merged tables whose names sound like places and that hold none of artifacts.
NO_PLACES = {
    ("runs", "source_type"), ("runs", "source_name"), ("runs", "source_version"),  # which script, as it was called
    ("datasets", "dataset_profile"),
    ("datasets", "dataset_source_type"), ("datasets", "dataset_source"),  # where the data came from, then
    ("inputs", "source_type"), ("inputs", "source_id"), ("logged_models", "source_run_id"),
}  # fmt: skip
SOUNDS = ("location", "uri", "url", "path", "dir", "source", "root", "file", "storage")


def test_every_table_and_every_column_that_holds_a_place_is_known() -> None:
    """A new version of MLflow that adds some fails here, and does not lose artifacts."""
    schema = {name: {column.name for column in table.columns} for name, table in Base.metadata.tables.items()}
    assert set(schema) == {"experiments", *merge_sql.MERGED_TABLES}.union(*LEFT_OUT.values())
    for table in ("experiments", *merge_sql.MERGED_TABLES):
        sounding = {name for name in schema[table] if any(sound in name for sound in SOUNDS)}
        known = merge_sql.ADDRESS_COLUMNS.get(table, set()) | {name for where, name in NO_PLACES if where == table}
        assert sounding == known & schema[table], table


def test_no_address_of_the_place_where_it_was_made_is_left(
    originals: dict, copies: list[Path], jobs: Path, tmp_path: Path
) -> None:
    """Whatever a column is called: only what was recorded of the past names it, as params and tags do."""
    assert originals
    merged(copies, tmp_path / "store")
    made = str(jobs.with_name("made"))
    past = {"params": "value", "logged_model_params": "param_value", "datasets": "dataset_source"}
    with closing(sqlite3.connect(tmp_path / "store" / "mlflow.db")) as connection:
        for table in tables(connection):
            cursor = connection.execute(f"SELECT * FROM {table}")
            names = [column[0] for column in cursor.description]
            for row in cursor:
                for name, value in zip(names, row, strict=True):
                    assert made not in str(value) or past.get(table) == name, (
                        table,
                        name,
                        value,
                    )


def as_they_are(places: list[Path]) -> list[Path]:
    return places


def in_one_folder(places: list[Path]) -> list[Path]:
    return [places[0].parent]


def renamed(places: list[Path]) -> list[Path]:
    odd = places[0].parent.with_name("Größe 2 #1 100%25?é")
    places[0].parent.rename(odd)
    return [odd]


def as_roots(places: list[Path]) -> list[Path]:
    for place in places:
        (place.parent / "roots" / place.name).mkdir(parents=True)
        place.rename(place.parent / "roots" / place.name / "output")
    return [places[0].parent / "roots" / place.name for place in places]


def by_links(places: list[Path]) -> list[Path]:
    links = places[0].parent.with_name("links")
    links.mkdir()
    for place in places:
        (links / place.name).symlink_to(place)
    return [links / place.name for place in places]


def twice(places: list[Path]) -> list[Path]:
    return [*places, places[0].parent, *places]


def copied_again(places: list[Path]) -> list[Path]:
    return [*places, Path(shutil.copytree(places[0], places[0].with_name("copy of V0001")))]


@pytest.mark.parametrize(
    "arranged",
    [as_they_are, in_one_folder, renamed, as_roots, by_links, twice, copied_again],
    ids=lambda case: case.__name__,
)
def test_everything_arrives(
    originals: dict, copies: list[Path], tmp_path: Path, arranged: Callable[[list[Path]], list[Path]]
) -> None:
    done = merged(arranged(copies), tmp_path / "store")
    assert done.skipped == []
    assert told(tmp_path / "store" / "mlflow.db") == originals
    assert sum(bool(run["artifacts"]) for run in originals.values()) == 3  # of the two runs, and the study's pictures
    assert sum(len(run["models"]) for run in originals.values()) == 2
    assert sum("mlflow.parentRunId" in run["tags"] for run in originals.values()) == 3


def test_a_copy_is_shown_with_its_own_files_while_the_first_is_still_there(tmp_path: Path) -> None:
    client = store_in(tmp_path / "first")
    client.log_text(begun(client), "first", "a.txt")
    shutil.copytree(tmp_path / "first", tmp_path / "copy")
    (file,) = (tmp_path / "copy").rglob("a.txt")
    file.write_text("changed")
    merged([tmp_path / "copy"], tmp_path / "store")
    (run,) = told(tmp_path / "store" / "mlflow.db").values()
    assert run["artifacts"] == {"a.txt": hashlib.sha256(b"changed").hexdigest()}


def test_to_merge_twice_adds_nothing_and_writes_nothing_to_the_outputs(copies: list[Path], tmp_path: Path) -> None:
    before = [(tree(place), {path: path.stat().st_mtime_ns for path in place.rglob("*")}) for place in copies]
    merged(copies, tmp_path / "store")
    first = rows(tmp_path / "store" / "mlflow.db")
    for place in copies:  # so that they are looked at again
        os.utime(place / "mlflow.db")
    merged(copies, tmp_path / "store")
    second = rows(tmp_path / "store" / "mlflow.db")
    for name in first.keys() - {"trialmaker_sources"}:
        assert first[name] == second[name], name
    for place, (files, times) in zip(copies, before, strict=True):
        assert tree(place) == files
        times.pop(place / "mlflow.db")
        assert {path: path.stat().st_mtime_ns for path in times} == times


def test_read_only_media(originals: dict, copies: list[Path], tmp_path: Path) -> None:
    """As another user, where this one may write everything."""
    (tmp_path / "store").mkdir()
    for folder in (tmp_path, *list(tmp_path.parents)[:-2]):
        folder.chmod(folder.stat().st_mode | 0o055)
    for path in [copies[0].parent, *copies[0].parent.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    user = os.geteuid()
    if user == 0:
        shutil.chown(tmp_path / "store", 65534)
        os.seteuid(65534)
    try:
        with pytest.raises(PermissionError):
            (copies[0] / "new").touch()
        done = merged(copies, tmp_path / "store")
    finally:
        os.seteuid(user)
    for path in [copies[0].parent, *copies[0].parent.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    assert done.skipped == []
    assert told(tmp_path / "store" / "mlflow.db") == originals


# ---- outputs that are written to


def test_news_of_a_run_that_goes_on_are_brought(tmp_path: Path) -> None:
    client = store_in(tmp_path / "live")
    run = begun(client)
    place, store = [tmp_path / "live"], tmp_path / "store"
    merged(place, store)
    assert told(store / "mlflow.db")[run]["info"][1] == "RUNNING"
    for step in (2, 3):
        client.log_metric(run, "val_accuracy", 0.5 + step / 10, step=step)
    client.set_tag(run, "news", "yes")
    merged(place, store)
    assert told(store / "mlflow.db") == told(tmp_path / "live" / "mlflow.db")
    client.set_terminated(run)
    second = begun(client)
    merged(place, store)
    assert told(store / "mlflow.db") == told(tmp_path / "live" / "mlflow.db")
    client.log_metric(run, "val_accuracy", 0.1, step=1)  # a point between others, after the end
    client.set_terminated(second, "KILLED")
    merged(place, store)
    assert told(store / "mlflow.db") == told(tmp_path / "live" / "mlflow.db")


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_store_in_the_middle_of_a_transaction(tmp_path: Path, mode: str) -> None:
    """A write-ahead log that is not part of the database yet; a transaction whose writer was killed."""
    client = store_in(tmp_path / "live")
    run = begun(client)
    script = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute(f"PRAGMA journal_mode = {sys.argv[2]}")
connection.execute("PRAGMA cache_size = 1")
connection.execute("INSERT INTO tags VALUES ('committed', 'yes', ?)", (sys.argv[3],))
connection.execute("BEGIN")
for number in range(2000):
    connection.execute("INSERT INTO tags VALUES (?, 'no', ?)", (f"uncommitted {number}", sys.argv[3]))
os.kill(os.getpid(), 9)
"""
    file = tmp_path / "live" / "mlflow.db"
    subprocess.run([sys.executable, "-c", script, str(file), mode, run], check=False)
    before = tree(tmp_path / "live")
    assert set(before) > {"mlflow.db"}  # a log, or a journal
    assert merged([tmp_path / "live"], tmp_path / "store").skipped == []
    assert tree(tmp_path / "live") == before
    assert told(tmp_path / "store" / "mlflow.db")[run]["tags"].keys() & {"committed", "uncommitted 1"} == {"committed"}


def test_a_store_that_another_process_writes_to_is_read_whole(tmp_path: Path) -> None:
    client = store_in(tmp_path / "live")
    run = begun(client)
    script = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
number = 0
while True:
    connection.execute("BEGIN IMMEDIATE")
    for _ in range(50):
        number += 1
        row = (number // 2, number, sys.argv[2], number)
        names = "key, value, timestamp, run_uuid, step"
        connection.execute(f"INSERT INTO metrics ({names}) VALUES ('pair', ?, ?, ?, ?)", row)
    connection.execute("COMMIT")
"""
    command = [sys.executable, "-c", script, str(tmp_path / "live" / "mlflow.db"), run]
    writer = subprocess.Popen(command)
    try:
        counts = []
        deadline = time.monotonic() + 60
        while len(set(counts)) < 4:
            assert writer.poll() is None and time.monotonic() < deadline
            assert merged([tmp_path / "live"], tmp_path / "store").skipped == []
            with closing(sqlite3.connect(tmp_path / "store" / "mlflow.db")) as connection:
                counts.append(connection.execute("SELECT count(*) FROM metrics WHERE key = 'pair'").fetchone()[0])
            time.sleep(0.05)
    finally:
        writer.kill()
        writer.wait()
    assert all(count % 50 == 0 for count in counts) and counts == sorted(counts)


def test_one_run_in_two_outputs_of_different_age_is_the_later_one(tmp_path: Path) -> None:
    client = store_in(tmp_path / "new")
    run = begun(client)
    client.log_text(run, "early", "a.txt")
    shutil.copytree(tmp_path / "new", tmp_path / "old")
    client.log_metric(run, "val_accuracy", 0.9, step=2)
    client.set_terminated(run)
    for number, order in enumerate((["old", "new"], ["new", "old"])):
        merged([tmp_path / name for name in order], tmp_path / f"store{number}")
        (found,) = told(tmp_path / f"store{number}" / "mlflow.db").values()
        assert found["info"][1] == "FINISHED"
        assert [value for _, _, value in found["metrics"]["val_accuracy"]] == [0.5, 0.9]


def test_another_output_in_the_same_place_takes_its_place(tmp_path: Path) -> None:
    begun(store_in(tmp_path / "place"))
    merged([tmp_path / "place"], tmp_path / "store")
    second = begun(store_in(tmp_path / "second"))
    shutil.rmtree(tmp_path / "place")
    (tmp_path / "second").rename(tmp_path / "place")
    merged([tmp_path / "place"], tmp_path / "store")
    assert list(told(tmp_path / "store" / "mlflow.db")) == [second]


def test_a_store_holds_the_outputs_that_are_named_and_no_others(
    originals: dict, copies: list[Path], tmp_path: Path
) -> None:
    merged(copies, tmp_path / "store")
    merged(copies[:1], tmp_path / "store")
    (run,) = told(copies[0] / "mlflow.db")
    assert told(tmp_path / "store" / "mlflow.db") == {run: originals[run]}
    left, first = rows(tmp_path / "store" / "mlflow.db"), rows(copies[0] / "mlflow.db")
    for table in ("inputs", "input_tags", "params", "metrics", "logged_models", "logged_model_metrics"):
        assert len(left[table]) == len(first[table]), table


def test_what_people_do_in_the_merged_store_stays(tmp_path: Path) -> None:
    source = store_in(tmp_path / "place")
    kept, removed = begun(source), begun(source)
    merged([tmp_path / "place"], tmp_path / "store")
    person = MlflowClient(f"sqlite:///{tmp_path / 'store' / 'mlflow.db'}")
    person.set_tag(kept, "mlflow.note.content", "the good one")
    person.delete_run(removed)
    source.log_metric(kept, "val_accuracy", 0.7, step=2)
    merged([tmp_path / "place"], tmp_path / "store")
    found = told(tmp_path / "store" / "mlflow.db")
    assert found[kept]["tags"]["mlflow.note.content"] == "the good one"
    assert found[removed]["info"][-1] == "deleted"
    assert len(found[kept]["metrics"]["val_accuracy"]) == 2


def test_registered_models_of_one_name_are_numbered_on(tmp_path: Path) -> None:
    for name in ("a", "b"):
        client = store_in(tmp_path / name)
        run = begun(client)
        (tmp_path / name / "mlartifacts" / "weights").mkdir(parents=True)
        (tmp_path / name / "mlartifacts" / "weights" / "file").write_text(name)
        client.create_registered_model("digits")
        made = client.create_model_version(
            "digits", f"file:///elsewhere/{name}/mlartifacts/weights", run, tags={"from": name}
        )
        client.set_registered_model_alias("digits", f"alias-{name}", made.version)
    for _ in range(2):
        merged([tmp_path / "a", tmp_path / "b"], tmp_path / "store")
        os.utime(tmp_path / "b" / "mlflow.db")
    person = MlflowClient(f"sqlite:///{tmp_path / 'store' / 'mlflow.db'}")
    versions = {one.version: one for one in person.search_model_versions("name = 'digits'")}
    assert {version: one.tags["from"] for version, one in versions.items()} == {1: "a", 2: "b"}
    assert [list(contents(versions[number].source)) for number in (1, 2)] == [["file"], ["file"]]
    assert [person.get_model_version_by_alias("digits", f"alias-{name}").version for name in "ab"] == [1, 2]


def test_a_merge_that_is_killed_is_gone_on_with(originals: dict, copies: list[Path], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "trialmaker", "compare", *map(str, copies), "--store", str(tmp_path / "store")]
    for seconds in (0.3, 0.6, 1.0, 2.0):
        process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    merged(copies, tmp_path / "store")
    assert told(tmp_path / "store" / "mlflow.db") == originals

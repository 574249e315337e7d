"""Outputs that change between merges or are written to during one."""

import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from support.outputs import create_store, file_digests, merge_outputs, read_runs, start_run
from support.waiting import HANG_SECONDS


def test_changes_of_a_run_that_is_running_are_merged(tmp_path: Path) -> None:
    client = create_store(tmp_path / "live")
    run = start_run(client)
    place, store = [tmp_path / "live"], tmp_path / "store"
    merge_outputs(place, store)
    assert read_runs(store / "mlflow.db")[run]["info"][1] == "RUNNING"
    for step in (2, 3):
        client.log_metric(run, "val_accuracy", 0.5 + step / 10, step=step)
    client.set_tag(run, "news", "yes")
    merge_outputs(place, store)
    assert read_runs(store / "mlflow.db") == read_runs(tmp_path / "live" / "mlflow.db")
    client.set_terminated(run)
    second = start_run(client)
    merge_outputs(place, store)
    assert read_runs(store / "mlflow.db") == read_runs(tmp_path / "live" / "mlflow.db")
    client.log_metric(run, "val_accuracy", 0.1, step=1)  # a point between others, after the end
    client.set_terminated(second, "KILLED")
    merge_outputs(place, store)
    assert read_runs(store / "mlflow.db") == read_runs(tmp_path / "live" / "mlflow.db")


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_store_in_the_middle_of_a_transaction(tmp_path: Path, mode: str) -> None:
    """The database has a write-ahead log, or a journal of a transaction whose writer was killed."""
    client = create_store(tmp_path / "live")
    run = start_run(client)
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
    before = file_digests(tmp_path / "live")
    assert set(before) > {"mlflow.db"}  # a log, or a journal
    assert merge_outputs([tmp_path / "live"], tmp_path / "store").skipped == []
    assert file_digests(tmp_path / "live") == before
    tags = read_runs(tmp_path / "store" / "mlflow.db")[run]["tags"]
    assert tags.keys() & {"committed", "uncommitted 1"} == {"committed"}


def test_a_store_that_another_process_writes_to_is_read_whole(tmp_path: Path) -> None:
    client = create_store(tmp_path / "live")
    run = start_run(client)
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
        deadline = time.monotonic() + HANG_SECONDS
        while len(set(counts)) < 4:
            assert writer.poll() is None and time.monotonic() < deadline
            assert merge_outputs([tmp_path / "live"], tmp_path / "store").skipped == []
            with closing(sqlite3.connect(tmp_path / "store" / "mlflow.db")) as connection:
                counts.append(connection.execute("SELECT count(*) FROM metrics WHERE key = 'pair'").fetchone()[0])
            time.sleep(0.05)
    finally:
        writer.kill()
        writer.wait()
    assert all(count % 50 == 0 for count in counts) and counts == sorted(counts)


def test_the_later_state_of_a_run_in_two_outputs_is_taken(tmp_path: Path) -> None:
    client = create_store(tmp_path / "new")
    run = start_run(client)
    client.log_text(run, "early", "a.txt")
    shutil.copytree(tmp_path / "new", tmp_path / "old")
    client.log_metric(run, "val_accuracy", 0.9, step=2)
    client.set_terminated(run)
    for number, order in enumerate((["old", "new"], ["new", "old"])):
        merge_outputs([tmp_path / name for name in order], tmp_path / f"store{number}")
        (content,) = read_runs(tmp_path / f"store{number}" / "mlflow.db").values()
        assert content["info"][1] == "FINISHED"
        assert [value for _, _, value in content["metrics"]["val_accuracy"]] == [0.5, 0.9]


def test_an_output_that_replaces_another_one_replaces_its_runs(tmp_path: Path) -> None:
    start_run(create_store(tmp_path / "place"))
    merge_outputs([tmp_path / "place"], tmp_path / "store")
    second = start_run(create_store(tmp_path / "second"))
    shutil.rmtree(tmp_path / "place")
    (tmp_path / "second").rename(tmp_path / "place")
    merge_outputs([tmp_path / "place"], tmp_path / "store")
    assert list(read_runs(tmp_path / "store" / "mlflow.db")) == [second]


def test_artifacts_that_arrive_after_their_store_are_found(originals: dict, copies: list[Path], tmp_path: Path) -> None:
    """A download may still be running."""
    (tmp_path / "aside").mkdir()
    *with_artifacts, _ = copies  # a study of few trials has none
    for place in with_artifacts:
        (place / "mlartifacts").rename(tmp_path / "aside" / place.name)
    merge_outputs(copies, tmp_path / "store")
    assert not any(run["artifacts"] for run in read_runs(tmp_path / "store" / "mlflow.db").values())
    for place in with_artifacts:
        (tmp_path / "aside" / place.name).rename(place / "mlartifacts")
    merge_outputs(copies, tmp_path / "store")
    assert read_runs(tmp_path / "store" / "mlflow.db") == originals


@pytest.mark.parametrize("order", [["full", "bare"], ["bare", "full"]])
def test_a_copy_without_files_takes_none_away(
    originals: dict, copies: list[Path], tmp_path: Path, order: list[str]
) -> None:
    (tmp_path / "bare").mkdir()
    shutil.copy(copies[0] / "mlflow.db", tmp_path / "bare")
    places = {"full": copies[0], "bare": tmp_path / "bare"}
    merge_outputs([places[name] for name in order], tmp_path / "store")
    (run,) = read_runs(copies[0] / "mlflow.db")
    assert read_runs(tmp_path / "store" / "mlflow.db") == {run: originals[run]}

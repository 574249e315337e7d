"""Outputs that cannot be read: damaged, foreign, or of a newer MLflow."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from support.outputs import create_store, merge_outputs, read_runs, start_run
from trialmaker.analysis.store import snapshots


def empty_folder(place: Path) -> None:
    place.mkdir()


def empty_file(place: Path) -> None:
    place.mkdir()
    (place / "mlflow.db").touch()


def text_file(place: Path) -> None:
    place.mkdir()
    (place / "mlflow.db").write_text("no database " * 1000)


def other_database(place: Path) -> None:
    place.mkdir()
    with closing(sqlite3.connect(place / "mlflow.db")) as connection:
        connection.execute("CREATE TABLE runs (a)")
        connection.commit()


def truncated_file(place: Path) -> None:
    start_run(create_store(place))
    os.truncate(place / "mlflow.db", (place / "mlflow.db").stat().st_size // 2)


def damaged_file(place: Path) -> None:
    start_run(create_store(place))
    content = bytearray((place / "mlflow.db").read_bytes())
    content[8192:-4096] = os.urandom(len(content) - 12288)
    (place / "mlflow.db").write_bytes(content)


def newer_store(place: Path) -> None:
    start_run(create_store(place))
    with closing(sqlite3.connect(place / "mlflow.db")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'feedc0ffee00'")
        connection.commit()


def file_store(place: Path) -> None:
    (place / "mlruns" / "0").mkdir(parents=True)
    (place / "mlruns" / "0" / "meta.yaml").write_text("name: Default\n")


@pytest.mark.parametrize(
    ("make_broken", "reason"),
    [
        (empty_folder, "holds no mlflow.db, so no job's output"),
        (empty_file, "is empty"),
        (text_file, "is no SQLite database"),
        (other_database, "is no MLflow store"),
        (truncated_file, "database disk image is malformed"),
        (damaged_file, "malformed"),
        (newer_store, "was written by a newer MLflow: Can't locate revision identified by 'feedc0ffee00'"),
        (file_store, "an MLflow file store: to make one of it: mlflow migrate-filestore --source "),
    ],
    ids=lambda case: getattr(case, "__name__", ""),
)
def test_an_unreadable_output_is_skipped_with_a_line(
    tmp_path: Path, make_broken: Callable[[Path], None], reason: str
) -> None:
    run = start_run(create_store(tmp_path / "a"))
    make_broken(tmp_path / "b")
    result = merge_outputs([tmp_path / "a", tmp_path / "b"], tmp_path / "store")
    (line,) = map(str, result.skipped)
    assert line.startswith(f"skipped {tmp_path / 'b'}") and reason in line and "\n" not in line
    assert list(read_runs(tmp_path / "store" / "mlflow.db")) == [run]


def test_runs_of_an_output_that_broke_since_stay(tmp_path: Path) -> None:
    run = start_run(create_store(tmp_path / "a"))
    merge_outputs([tmp_path / "a"], tmp_path / "store")
    (tmp_path / "a" / "mlflow.db").write_text("broken")
    assert len(merge_outputs([tmp_path / "a"], tmp_path / "store").skipped) == 1
    assert list(read_runs(tmp_path / "store" / "mlflow.db")) == [run]


def test_snapshots_leave_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    newer_store(tmp_path / "b")
    with pytest.raises(snapshots.UnreadableError), snapshots.open_snapshot(tmp_path / "b" / "mlflow.db", "another"):
        pass
    assert list((tmp_path / "temporary").iterdir()) == []


def store_without_revision(place: Path) -> None:
    start_run(create_store(place))
    with closing(sqlite3.connect(place / "mlflow.db")) as connection:
        connection.execute("DELETE FROM alembic_version")
        connection.commit()


def test_a_store_that_cannot_be_migrated_is_skipped(tmp_path: Path) -> None:
    store_without_revision(tmp_path / "b")
    run = start_run(create_store(tmp_path / "a"))
    (line,) = map(str, merge_outputs([tmp_path], tmp_path / "store").skipped)
    assert "cannot be brought up to date" in line and "\n" not in line
    assert list(read_runs(tmp_path / "store" / "mlflow.db")) == [run]

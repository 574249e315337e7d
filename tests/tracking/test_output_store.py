"""What lies under the name of an output's store and cannot be used: set aside with a line, never lost."""

import os
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import mlflow
import pytest

from support.outputs import empty_store
from trialmaker.errors import UserError
from trialmaker.tracking import output_store

OLDER = "451aebb31d03"  # a revision of MLflow's tables


def no_database(store: Path) -> None:
    store.write_text("no database " * 1000)


def empty(store: Path) -> None:
    store.touch()


def other_database(store: Path) -> None:
    with closing(sqlite3.connect(store)) as database:
        database.execute("CREATE TABLE cats (name TEXT)")


def truncated(store: Path) -> None:
    store.write_bytes(empty_store()[:300_000])


def garbage(store: Path) -> None:
    store.write_bytes(empty_store()[:4096] + os.urandom(200_000))


def revision(store: Path, number: str) -> None:
    store.write_bytes(empty_store())
    with closing(sqlite3.connect(store)) as database:
        database.execute("UPDATE alembic_version SET version_num = ?", (number,))
        database.commit()


def older(store: Path) -> None:
    revision(store, OLDER)


def newer(store: Path) -> None:
    revision(store, "ffffffffffff")


def folder(store: Path) -> None:
    (store / "inner").mkdir(parents=True)


def pipe(store: Path) -> None:
    os.mkfifo(store)


def dangling_link(store: Path) -> None:
    store.symlink_to("nowhere")


def journal_alone(store: Path) -> None:
    Path(f"{store}-journal").write_bytes(b"journal")


RECOVERY = "; sqlite3 {path} .recover prints what can be read of it, as SQL"
VERSION = f"MLflow than this one, {mlflow.__version__}"


@pytest.mark.parametrize(
    ("make", "text", "advice"),
    [
        (no_database, "is no SQLite database", "; it is as it was"),
        (empty, "is empty", "; it is as it was"),
        (other_database, "is a SQLite database, but no store of MLflow's", "; it is as it was"),
        (truncated, "is damaged (database disk image is malformed)", RECOVERY),
        (garbage, "is damaged (database disk image is malformed)", RECOVERY),
        (
            older,
            f"is a store of an older {VERSION}",
            "; python -m trialmaker ui {path} shows its runs, and mlflow db upgrade sqlite:///{path} renews it",
        ),
        (
            newer,
            f"is a store of a newer {VERSION}",
            "; with the newer one, mlflow ui --backend-store-uri sqlite:///{path} shows its runs",
        ),
        (folder, "is a folder", "; it is as it was"),
        (pipe, "is no regular file", "; it is as it was"),
        (dangling_link, "is a link that leads nowhere", "; it is as it was"),
        (journal_alone, "is gone, and has left SQLite's journal of it", "; it is as it was"),
    ],
)
def test_what_cannot_be_used_gets_another_name(
    make: Callable[[Path], None], text: str, advice: str, tmp_path: Path
) -> None:
    store = tmp_path / "mlflow.db"
    make(store)
    content = store.read_bytes() if store.is_file() else None
    fault = output_store.find_fault(store)
    assert fault
    line = output_store.set_aside(store, fault)
    (aside,) = {Path(str(path).removesuffix("-journal")) for path in tmp_path.iterdir()}
    assert re.fullmatch(r"mlflow\.db\.aside-\d{8}-\d{6}", aside.name)
    assert line == (
        f"{store} {text}: a new store takes its place, and it is now {aside.name}{advice.format(path=aside)}"
    )
    assert (aside.read_bytes() if aside.is_file() else None) == content
    assert output_store.find_fault(store) is None


def test_a_store_that_can_be_used_stays(tmp_path: Path) -> None:
    assert output_store.clear_place(tmp_path) is None and output_store.identity(tmp_path) is None
    (tmp_path / "mlflow.db").write_bytes(empty_store())
    before = output_store.identity(tmp_path)
    assert before and output_store.clear_place(tmp_path) is output_store.clear_place(tmp_path, is_suspect=True) is None
    assert output_store.identity(tmp_path) == before


def test_a_file_without_content_is_removed(tmp_path: Path) -> None:
    empty(tmp_path / "mlflow.db")
    assert output_store.clear_place(tmp_path) is None and output_store.identity(tmp_path) is None


def test_a_database_takes_its_journals_along_and_two_of_one_second_have_two_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output_store.time, "strftime", lambda _: "20261129-233000")
    for _ in range(2):
        no_database(tmp_path / "mlflow.db")
        for suffix in ("-wal", "-shm", "-journal"):
            (tmp_path / f"mlflow.db{suffix}").write_text(suffix)
        fault = output_store.find_fault(tmp_path / "mlflow.db")
        assert fault
        output_store.set_aside(tmp_path / "mlflow.db", fault)
    ends = ("", "-journal", "-shm", "-wal")
    names = [f"mlflow.db.aside-20261129-233000{number}{end}" for number in ("", "-2") for end in ends]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


def test_a_store_that_another_program_locks_is_not_broken(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(empty_store())
    with closing(sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        assert output_store.find_fault(tmp_path / "mlflow.db") is None


def test_damage_that_no_reader_of_the_tables_names_meets_is_found(tmp_path: Path) -> None:
    store = tmp_path / "mlflow.db"
    content = empty_store()
    store.write_bytes(content[:-4096] + os.urandom(4096))
    fault = output_store.find_fault(store)
    assert fault and fault.text.startswith("is damaged (")


def test_a_folder_that_cannot_be_written_is_a_refusal(tmp_path: Path) -> None:
    if os.getuid() == 0:
        pytest.skip("root may write everywhere")
    no_database(tmp_path / "mlflow.db")
    (tmp_path / ".mlflow.lock").touch()
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(UserError, match="is no SQLite database, and cannot be moved away: Permission denied"):
            output_store.clear_place(tmp_path)
    finally:
        tmp_path.chmod(0o755)

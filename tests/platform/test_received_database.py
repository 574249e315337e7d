"""SQLite databases of strangers: what they may say is compared with what MLflow's and Optuna's say."""

import sqlite3
from contextlib import closing
from pathlib import Path

import optuna
import pytest

from support.outputs import empty_store
from trialmaker.platform.received_database import DoubtfulDatabase, check_file


def make(file: Path, *statements: str) -> Path:
    with closing(sqlite3.connect(file)) as database, database:
        for statement in statements:
            database.execute(statement)
    return file


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE t (a TEXT, CHECK (length(hex(a)) > 0))",
        "CREATE TABLE t (a TEXT, CHECK ('aaaaaaaaaaaaaaaaaaaaaaaaa' LIKE a))",
        "CREATE TABLE t (a TEXT, CHECK (a || a IN ('a', 'b')))",
        "CREATE TABLE t (a TEXT DEFAULT (hex(zeroblob(9))))",
        "CREATE TABLE t (a TEXT DEFAULT ('a' || 'b'))",
        "CREATE TABLE t (a TEXT /* ' */ DEFAULT (hex(1)) /* ' */)",
        'CREATE TABLE t (a TEXT "\'" CHECK (hex(a) > 1), b "\'")',
        "CREATE TABLE t (a TEXT [ ' ] CHECK (hex(a) > 1), b [ ' ])",
        "CREATE TABLE t (a TEXT, b AS (hex(a)))",
        "CREATE TABLE t (a TEXT, b AS (a - a))",
        "CREATE INDEX i ON tags (hex(key))",
        "CREATE INDEX i ON tags (key || key)",
        "CREATE INDEX i ON tags (key) WHERE key LIKE 'a'",
        "CREATE TRIGGER prevent_secrets AFTER UPDATE ON tags BEGIN SELECT hex(1); END",
    ],
)
def test_what_computes_is_refused(statement: str, tmp_path: Path) -> None:
    with pytest.raises(DoubtfulDatabase, match=r"and not only plain tables$"):
        check_file(make(tmp_path / "a.db", "CREATE TABLE tags (key TEXT)", statement))


def test_what_mlflow_and_optuna_make_passes(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(empty_store())
    optuna.storages.RDBStorage(f"sqlite:///{tmp_path}/optuna.db")
    for name in ("mlflow.db", "optuna.db"):
        check_file(make(tmp_path / name, "ANALYZE"))

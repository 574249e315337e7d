"""One MLflow store of many: in SQL, from file to file, so that a million points take seconds."""

import fcntl
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trialmaker.comparing import tables
from trialmaker.comparing.outputs import STORE, Output, Skipped
from trialmaker.comparing.relocation import Relocation
from trialmaker.comparing.snapshots import UnreadableError, opened
from trialmaker.data.bar import progress_bar
from trialmaker.errors import UserError

OUTPUT_TAG = "trialmaker.output"
OURS = {"SQLITE_FULL", "SQLITE_READONLY", "SQLITE_BUSY", "SQLITE_LOCKED"}  # errors of the merged store, not of a source
BOOKS = """
CREATE TABLE IF NOT EXISTS trialmaker_sources (database TEXT PRIMARY KEY, stamp TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS trialmaker_source_runs (
    database TEXT NOT NULL, run_uuid TEXT NOT NULL, PRIMARY KEY (database, run_uuid));
"""


@dataclass(frozen=True)
class Merged:
    """What a merge did.

    Args:
        store: the folder of the merged store.
        outputs: by label.
        runs: how many each has, by label.
        skipped: what could not be read this time; runs of it that were merged before stay.
    """

    store: Path
    outputs: dict[str, Output]
    runs: dict[str, int]
    skipped: list[Skipped]


def merge(outputs: Sequence[Output], store: Path) -> Merged:
    """Bring a folder's MLflow store up to date with outputs: it holds their runs, and no others.

    Runs keep their ids; experiments of one name become one. What people add in the merged store (tags, notes) stays;
    where an output's own value changed, that counts. Nothing is written to the outputs. Artifacts stay where they are,
    the merged store holds their addresses. An output that did not change since is not read again.

    Args:
        store: made if it is missing. Several processes may merge there at once.

    Raises:
        UserError: the store can't be written.
    """
    try:
        store.mkdir(parents=True, exist_ok=True)
        with (store / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _make(store / STORE)
            with closing(sqlite3.connect(store / STORE, timeout=60, isolation_level=None, uri=True)) as connection:
                return _Merge(connection, store).run(outputs)
    except OSError as error:
        raise UserError(
            f"{store}: cannot hold the merged store: {error.strerror}; --store DIR names another"
        ) from error


def _make(file: Path) -> None:
    if not file.exists():
        from trialmaker.tracking import database  # MLflow takes a while to import

        database.make(file)


class _Merge:
    def __init__(self, connection: sqlite3.Connection, store: Path) -> None:
        self.connection, self.store = connection, store
        for setting in ("journal_mode = WAL", "synchronous = NORMAL", "cache_size = -262144", "temp_store = MEMORY"):
            connection.execute(f"PRAGMA {setting}")
        connection.executescript(BOOKS)
        self.revision = str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])
        connection.create_function("is_there", 1, tables.is_there)

    def run(self, outputs: Sequence[Output]) -> Merged:
        skipped = []
        self._forget([f"{output.database}" for output in outputs])
        with progress_bar(text="outputs", total=len(outputs), unit=" outputs", delay_seconds=1) as bar:
            for output in outputs:
                try:
                    self._bring(output)
                except UnreadableError as error:
                    skipped.append(Skipped(output.database, str(error)))
                bar.update()
        counts: dict[str, int] = dict(
            self._rows("SELECT database, count(*) FROM trialmaker_source_runs GROUP BY database")
        )
        labels = {output.label: output for output in outputs}
        runs = {label: counts.get(str(output.database), 0) for label, output in labels.items()}
        return Merged(self.store, labels, runs, skipped)

    def _bring(self, output: Output) -> None:
        """All of an output that is not there yet."""
        stamp = _stamp(output)
        if [(stamp,)] == self._rows("SELECT stamp FROM trialmaker_sources WHERE database = ?", str(output.database)):
            return
        with opened(output.database, self.revision) as uri:
            self.connection.execute("ATTACH ? AS source", (uri,))
            try:
                self._copy(output, stamp)
            except sqlite3.DatabaseError as error:
                self.connection.rollback()
                if error.sqlite_errorname in OURS:
                    raise UserError(f"{self.store}: cannot hold the merged store: {error}") from error
                raise UnreadableError(f"{error}") from error
            finally:
                self.connection.execute("DETACH source")

    def _copy(self, output: Output, stamp: str) -> None:
        self.connection.create_function("relocated", 1, Relocation(output.directory))
        self.connection.execute("BEGIN IMMEDIATE")
        for statement in tables.statements(self._columns):
            self.connection.execute(statement)
        database = str(output.database)
        gone = self._rows(
            "SELECT run_uuid FROM trialmaker_source_runs WHERE database = ? EXCEPT SELECT run_uuid FROM source.runs",
            database,
        )
        self.connection.execute("DELETE FROM trialmaker_source_runs WHERE database = ?", (database,))
        self.connection.execute("INSERT INTO trialmaker_source_runs SELECT ?, run_uuid FROM source.runs", (database,))
        self._remove(run for (run,) in gone)
        self.connection.execute(
            "INSERT INTO tags (key, value, run_uuid) SELECT ?, ?, run_uuid FROM source.runs WHERE true "
            "ON CONFLICT DO UPDATE SET value = excluded.value",
            (OUTPUT_TAG, output.label),
        )
        self.connection.execute("REPLACE INTO trialmaker_sources VALUES (?, ?)", (database, stamp))
        self.connection.commit()

    def _forget(self, databases: Sequence[str]) -> None:
        """Runs of outputs that are no longer asked for."""
        held = {name for (name,) in self._rows("SELECT database FROM trialmaker_sources")}
        self.connection.execute("BEGIN IMMEDIATE")
        for database in held - set(databases):
            runs = self._rows("SELECT run_uuid FROM trialmaker_source_runs WHERE database = ?", database)
            for table in ("trialmaker_sources", "trialmaker_source_runs"):
                self.connection.execute(f"DELETE FROM {table} WHERE database = ?", (database,))
            self._remove(run for (run,) in runs)
        self.connection.commit()

    def _remove(self, runs: Iterable[str]) -> None:
        """Take away runs, unless another output holds them too."""
        for run in runs:
            if not self._rows("SELECT 1 FROM trialmaker_source_runs WHERE run_uuid = ?", run):
                for statement in tables.REMOVAL:
                    self.connection.execute(statement, {"run": run})

    def _columns(self, schema: str, table: str) -> list[str]:
        return [name for (name,) in self._rows(f"SELECT name FROM pragma_table_info('{table}', '{schema}')")]

    def _rows(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(query, values).fetchall()


def _stamp(output: Output) -> str:
    """Differs when an output's store was written to, or another one took its place."""
    files = [output.database, Path(f"{output.database}-wal")]
    stats = [path.stat() for path in files if path.exists()]
    return " ".join(f"{stat.st_ino}:{stat.st_size}:{stat.st_mtime_ns}" for stat in stats)

"""One MLflow store of many: in SQL, from file to file, so that a million points take seconds."""

import fcntl
import importlib.metadata
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trialmaker.analysis.store import merge_sql
from trialmaker.analysis.store.outputs import MARKER_FILE, STORE_FILE, Output, SkippedOutput
from trialmaker.analysis.store.relocation import ROOTS, Relocation
from trialmaker.analysis.store.snapshots import UnreadableError, opened
from trialmaker.errors import UserError
from trialmaker.platform.progress_bar import progress_bar

OUTPUT_TAG = "trialmaker.output"
STORE_ERRORS = {"SQLITE_FULL", "SQLITE_READONLY"}  # errors of the merged store, not of a source
LABELS = f"""
INSERT INTO tags (key, value, run_uuid) SELECT '{OUTPUT_TAG}', min(label), run_uuid
FROM trialmaker_source_runs JOIN temp.labels USING (database) WHERE run_uuid IN (SELECT run_uuid FROM runs)
GROUP BY run_uuid ON CONFLICT DO UPDATE SET value = excluded.value WHERE value IS NOT excluded.value
"""


@dataclass(frozen=True)
class MergeResult:
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
    skipped: list[SkippedOutput]


def merge(outputs: Sequence[Output], store: Path, *, forget: bool = True) -> MergeResult:
    """Bring a folder's MLflow store up to date with outputs.

    Runs keep their ids; experiments of one name become one. What people do in the merged store (names, tags, notes,
    deletions) stays, until the output itself changes the same thing. Nothing is written to the outputs. Artifacts stay
    where they are, the merged store holds their addresses. An output that did not change since is not read again.

    Args:
        store: made if it is missing. Several processes may merge there at once.
        forget: whether to take away runs of other outputs, which were merged there before.

    Raises:
        UserError: the store can't be written, or is no merged store.
    """
    _check(outputs, store)
    try:
        store.mkdir(parents=True, exist_ok=True)
        with (store / MARKER_FILE).open("a+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _make(store / STORE_FILE)
            with closing(sqlite3.connect(store / STORE_FILE, timeout=60, isolation_level=None, uri=True)) as connection:
                return _Merge(connection, store).run(outputs, forget)
    except OSError as error:
        raise _unusable(store, error.strerror) from error
    except sqlite3.DatabaseError as error:
        raise _unusable(store, error) from error


def _check(outputs: Sequence[Output], store: Path) -> None:
    mine = (store / MARKER_FILE).exists()
    if ((store / STORE_FILE).exists() and not mine) or store.resolve() in [output.directory for output in outputs]:
        raise UserError(f"--store {store}: holds a store that is not a merged one: name a new folder")
    if odd := [char for char in "?#%" if char in str(store)]:
        raise UserError(f"--store {store}: must be a path without {odd[0]}, which MLflow's addresses can't hold")


def _unusable(store: Path, why: object) -> UserError:
    return UserError(f"{store}: cannot hold the merged store: {why}; remove it, or name another one with --store DIR")


def _make(file: Path) -> None:
    """Make it, or bring it to the schema of another MLflow, which was installed since."""
    version, mark = importlib.metadata.version("mlflow"), file.with_name(MARKER_FILE)
    if file.exists() and mark.read_text() == version:
        return
    from trialmaker.tracking import sqlite_store  # MLflow takes a while to import

    try:
        (sqlite_store.migrate if file.exists() else sqlite_store.create)(file)
    except sqlite_store.DatabaseError as error:
        raise _unusable(file.parent, error) from error
    mark.write_text(version)


class _Merge:
    def __init__(self, connection: sqlite3.Connection, store: Path) -> None:
        self.connection, self.store = connection, store
        self.is_changed = False
        for setting in ("journal_mode = WAL", "synchronous = NORMAL", "cache_size = -262144", "temp_store = MEMORY"):
            connection.execute(f"PRAGMA {setting}")
        connection.executescript(merge_sql.BOOKS)
        self.revision = str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])
        connection.create_function("is_there", 1, merge_sql.is_there)

    def run(self, outputs: Sequence[Output], forget: bool) -> MergeResult:
        skipped = []
        if forget:
            self._forget([f"{output.database}" for output in outputs])
        with progress_bar(text="outputs", total=len(outputs), unit=" outputs", delay_seconds=1) as bar:
            for output in outputs:
                try:
                    self._bring(output)
                except UnreadableError as error:
                    skipped.append(SkippedOutput(output.database, str(error)))
                bar.update()
        self._label(outputs)
        if self.is_changed:  # without it, SQLite looks for a run's metric among all runs' metrics of that name
            self.connection.executescript("PRAGMA analysis_limit = 1000; ANALYZE")
        query = "SELECT database, count(*) FROM trialmaker_source_runs GROUP BY database"
        counts: dict[str, int] = dict(self._rows(query))
        labels = {output.label: output for output in outputs}
        runs = {label: counts.get(str(output.database), 0) for label, output in labels.items()}
        return MergeResult(self.store, labels, runs, skipped)

    def _bring(self, output: Output) -> None:
        """All of an output that is not there yet."""
        try:
            stamp = _stamp(output)
        except OSError as error:
            raise UnreadableError(error.strerror) from error
        if [(stamp,)] == self._rows("SELECT stamp FROM trialmaker_sources WHERE database = ?", str(output.database)):
            return
        with opened(output.database, self.revision) as uri:
            self.connection.execute("ATTACH ? AS source", (uri,))
            try:
                self._copy(output, stamp)
            except sqlite3.DatabaseError as error:
                self.connection.rollback()
                if error.sqlite_errorname in STORE_ERRORS:
                    raise
                raise UnreadableError(f"{error}") from error
            finally:
                self.connection.execute("DETACH source")

    def _copy(self, output: Output, stamp: str) -> None:
        database = str(output.database)
        self.connection.create_function("relocated", 1, Relocation(output.directory))
        self.connection.execute("BEGIN IMMEDIATE")
        gone = self._rows(
            "SELECT run_uuid FROM trialmaker_source_runs WHERE database = ? EXCEPT SELECT run_uuid FROM source.runs",
            database,
        )
        self.connection.execute("DELETE FROM trialmaker_source_runs WHERE database = ?", (database,))
        self._remove(run for (run,) in gone)
        for statement in merge_sql.statements(self._columns):
            self.connection.execute(statement, {"database": database} if ":database" in statement else ())
        self.connection.execute("REPLACE INTO trialmaker_sources VALUES (?, ?)", (database, stamp))
        self.connection.commit()
        self.is_changed = True

    def _label(self, outputs: Sequence[Output]) -> None:
        """Have each run say which output it is from; labels change when outputs join."""
        self.connection.execute("CREATE TEMP TABLE labels (database TEXT PRIMARY KEY, label TEXT)")
        pairs = [(str(output.database), output.label) for output in outputs]
        self.connection.executemany("INSERT INTO labels VALUES (?, ?)", pairs)
        self.connection.execute(LABELS)
        self.connection.execute("DROP TABLE temp.labels")

    def _forget(self, databases: Sequence[str]) -> None:
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
                for statement in merge_sql.REMOVAL:
                    self.connection.execute(statement, {"run": run})

    def _columns(self, table: str) -> list[str]:
        return [name for (name,) in self._rows(f"SELECT name FROM pragma_table_info('{table}', 'source')")]

    def _rows(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(query, values).fetchall()


def _stamp(output: Output) -> str:
    """Differs when an output's store was written to, another one took its place, or its artifacts arrived."""
    files = [output.database, Path(f"{output.database}-wal")]
    stats = [path.stat() for path in files if path.exists()]
    folders = [str((output.directory / name).is_dir()) for name in ROOTS]
    return " ".join([*(f"{stat.st_ino}:{stat.st_size}:{stat.st_mtime_ns}" for stat in stats), *folders])

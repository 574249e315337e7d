"""Many MLflow stores as one, merged in SQL from file to file, so that a million metric values take seconds.

The table ``alembic_version`` is that of MLflow's schema, seen in MLflow 3.17.
"""

import importlib.metadata
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from trialmaker.analysis.store import merge_sql, views
from trialmaker.analysis.store.artifact_files import leave_out_foreign_places, nowhere
from trialmaker.analysis.store.outputs import MARKER_FILE, Output, SkippedOutput
from trialmaker.analysis.store.relocation import ARTIFACT_FOLDERS, Relocation, artifacts_exist
from trialmaker.analysis.store.snapshots import UnreadableError, open_snapshot, reason_of
from trialmaker.errors import UserError
from trialmaker.platform.atomic_files import locked
from trialmaker.platform.progress_bar import progress_bar
from trialmaker.platform.received_database import DoubtfulDatabase, check_values, guard
from trialmaker.tracking.settings import STORE_FILE

NAMED_TABLES, MAX_NAMES = ("params", "tags", "latest_metrics"), 10_000  # of an output: tables have a column for each
OUTPUT_TAG = "trialmaker.output"
MERGED_STORE_ERRORS = {"SQLITE_FULL", "SQLITE_READONLY"}  # SQLite's errors that do not come from a source
PRAGMAS = ("journal_mode = WAL", "synchronous = NORMAL", "cache_size = -262144", "temp_store = MEMORY")
LABEL_RUNS = f"""
INSERT INTO tags (key, value, run_uuid) SELECT '{OUTPUT_TAG}', min(label), run_uuid
FROM trialmaker_source_runs JOIN temp.labels USING (database) WHERE run_uuid IN (SELECT run_uuid FROM runs)
GROUP BY run_uuid ON CONFLICT DO UPDATE SET value = excluded.value WHERE value IS NOT excluded.value
"""


@dataclass(frozen=True)
class MergeResult:
    """The result of a merge.

    Args:
        store: the folder of the merged store.
        outputs: the outputs by label.
        runs: the number of runs of each output, by label.
        skipped: the outputs that could not be read this time; their runs of earlier merges stay.
        left_out: the number of runs and models whose artifacts are left out: addresses and links that lead elsewhere.
    """

    store: Path
    outputs: dict[str, Output]
    runs: dict[str, int]
    skipped: list[SkippedOutput]
    left_out: int = 0


def merge(outputs: Sequence[Output], store: Path, *, forget: bool = True) -> MergeResult:
    """Bring a merged MLflow store up to date with outputs.

    Runs keep their ids; experiments of one name become one. What people do in the merged store (names, tags, notes,
    deletions) stays, until the output itself changes the same thing. Nothing is written to the outputs. Artifacts stay
    where they are, the merged store holds their addresses. An output that has not changed since is not read again.

    Args:
        outputs: the outputs to merge.
        store: the folder of the merged store, created if it is missing. Several processes may merge there at once.
        forget: whether to remove the runs of other outputs that were merged there before.

    Raises:
        UserError: the store can't be written, or is no merged store.
    """
    _check_store(outputs, store)
    try:
        store.mkdir(parents=True, exist_ok=True)
        with locked(store / MARKER_FILE):
            _create_or_migrate(store / STORE_FILE)
            with closing(sqlite3.connect(store / STORE_FILE, timeout=60, isolation_level=None, uri=True)) as connection:
                return _Merger(connection, store).run(outputs, forget)
    except OSError as error:
        raise _store_error(store, error.strerror) from error
    except sqlite3.DatabaseError as error:
        raise _store_error(store, error) from error


def _check_store(outputs: Sequence[Output], store: Path) -> None:
    is_foreign = (store / STORE_FILE).exists() and not (store / MARKER_FILE).exists()
    if is_foreign or store.resolve() in [output.directory for output in outputs]:
        raise UserError(f"--store {store}: holds a store that is not a merged one: name a new folder")
    if forbidden := [char for char in "?#%" if char in str(store)]:
        raise UserError(f"--store {store}: must be a path without {forbidden[0]}, which MLflow's addresses can't hold")


def _store_error(store: Path, reason: object) -> UserError:
    return UserError(
        f"{store}: cannot hold the merged store: {reason}; remove it, or name another one with --store DIR"
    )


def _create_or_migrate(file: Path) -> None:
    """Create the merged store, or migrate it if another version of MLflow was installed since."""
    version, marker = importlib.metadata.version("mlflow"), file.with_name(MARKER_FILE)
    if file.exists() and marker.read_text() == version:
        return
    from trialmaker.tracking import sqlite_store  # MLflow takes a while to import

    try:
        (sqlite_store.migrate if file.exists() else sqlite_store.create)(file)
    except sqlite_store.StoreError as error:
        raise _store_error(file.parent, error) from error
    marker.write_text(version)


class _Merger:
    """A merge over an open connection to the merged store.

    Args:
        connection: in autocommit mode; its settings are changed.
        store: the folder of the merged store.
    """

    def __init__(self, connection: sqlite3.Connection, store: Path) -> None:
        self.connection, self.store = connection, store
        self.is_changed = False
        for setting in PRAGMAS:
            connection.execute(f"PRAGMA {setting}")
        connection.executescript(merge_sql.RECORD_TABLES)
        self.revision = str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])
        connection.create_function("artifacts_exist", 1, artifacts_exist)

    def run(self, outputs: Sequence[Output], forget: bool) -> MergeResult:
        if forget:
            self._remove_other_outputs([str(output.database) for output in outputs])
        skipped_outputs = self._merge_outputs(outputs)
        self._label_runs(outputs)
        if self.is_changed:  # without it, SQLite looks for a run's metric among all runs' metrics of that name
            self.connection.executescript("PRAGMA analysis_limit = 1000; ANALYZE")
        if self.is_changed or not views.exist(self.connection):
            views.update(self.connection)
        left_out = leave_out_foreign_places(self.connection, self.store)
        counts = dict(self._rows("SELECT database, count(*) FROM trialmaker_source_runs GROUP BY database"))
        by_label = {output.label: output for output in outputs}
        runs = {label: counts.get(str(output.database), 0) for label, output in by_label.items()}
        return MergeResult(self.store, by_label, runs, skipped_outputs, left_out)

    def _merge_outputs(self, outputs: Sequence[Output]) -> list[SkippedOutput]:
        """Merge the outputs that have changed; return the ones that cannot be read."""
        skipped_outputs = []
        with progress_bar(text="outputs", total=len(outputs), unit=" outputs", delay_seconds=1) as bar:
            for output in outputs:
                try:
                    self._merge_output(output)
                except UnreadableError as error:
                    skipped_outputs.append(SkippedOutput(output.database, str(error)))
                bar.update()
        return skipped_outputs

    def _merge_output(self, output: Output) -> None:
        try:
            stamp = _stamp(output)
        except OSError as error:
            raise UnreadableError(error.strerror) from error
        if [(stamp,)] == self._rows("SELECT stamp FROM trialmaker_sources WHERE database = ?", str(output.database)):
            return
        with open_snapshot(output.database, self.revision) as uri:
            self.connection.execute("ATTACH ? AS source", (uri,))
            try:
                guard(self.connection, output.database.stat().st_size)
                self._check_source()
                self._copy_source(output, stamp)
            except sqlite3.DatabaseError as error:
                self.connection.rollback()
                if getattr(error, "sqlite_errorname", "") in MERGED_STORE_ERRORS:
                    raise
                raise UnreadableError(reason_of(error)) from error
            finally:
                self.connection.set_progress_handler(None, 0)
                self.connection.execute("DETACH source")

    def _check_source(self) -> None:
        """Check that the attached database ``source`` has the tables, columns and values of MLflow's."""
        for table, types in self._types.items():
            check_values(self.connection, "source", table, types, ("run_uuid", "key") if table == "metrics" else ())
        for table in NAMED_TABLES:
            ((count,),) = self._rows(f"SELECT count(DISTINCT key) FROM source.{table}")
            if count > MAX_NAMES:
                raise DoubtfulDatabase(
                    f"its table {table} has {count:,} names; more than {MAX_NAMES:,} are not compared"
                )

    @cached_property
    def _types(self) -> dict[str, dict[str, str]]:
        """Return the declared types of the merged store's columns, by table and column."""
        query = "SELECT name, type FROM pragma_table_info(?, 'main')"
        return {table: dict(self._rows(query, table)) for table in ("experiments", *merge_sql.MERGED_TABLES)}

    def _copy_source(self, output: Output, stamp: str) -> None:
        """Copy the attached database ``source`` in one transaction, and remove runs that it no longer holds."""
        database = str(output.database)
        self.connection.create_function("relocated", 1, Relocation(output.directory, nowhere(self.store)))
        self.connection.execute("BEGIN IMMEDIATE")
        removed_runs = self._rows(
            "SELECT run_uuid FROM trialmaker_source_runs WHERE database = ? EXCEPT SELECT run_uuid FROM source.runs",
            database,
        )
        self.connection.execute("DELETE FROM trialmaker_source_runs WHERE database = ?", (database,))
        self._remove_runs(run for (run,) in removed_runs)
        for statement in merge_sql.statements(self._columns):
            self.connection.execute(statement, {"database": database} if ":database" in statement else ())
        self.connection.execute("REPLACE INTO trialmaker_sources VALUES (?, ?)", (database, stamp))
        self.connection.commit()
        self.is_changed = True

    def _label_runs(self, outputs: Sequence[Output]) -> None:
        """Tag each run with the label of its output; labels change when outputs are added."""
        self.connection.execute("CREATE TEMP TABLE labels (database TEXT PRIMARY KEY, label TEXT)")
        pairs = [(str(output.database), output.label) for output in outputs]
        self.connection.executemany("INSERT INTO labels VALUES (?, ?)", pairs)
        self.connection.execute(LABEL_RUNS)
        self.connection.execute("DROP TABLE temp.labels")

    def _remove_other_outputs(self, databases: Sequence[str]) -> None:
        merged_databases = {name for (name,) in self._rows("SELECT database FROM trialmaker_sources")}
        self.connection.execute("BEGIN IMMEDIATE")
        for database in merged_databases - set(databases):
            runs = self._rows("SELECT run_uuid FROM trialmaker_source_runs WHERE database = ?", database)
            for table in ("trialmaker_sources", "trialmaker_source_runs"):
                self.connection.execute(f"DELETE FROM {table} WHERE database = ?", (database,))
            self._remove_runs(run for (run,) in runs)
            self.is_changed = True
        self.connection.commit()

    def _remove_runs(self, runs: Iterable[str]) -> None:
        """Remove runs from the merged store, except those that another output holds too."""
        for run in runs:
            if not self._rows("SELECT 1 FROM trialmaker_source_runs WHERE run_uuid = ?", run):
                for statement in merge_sql.REMOVE_RUN:
                    self.connection.execute(statement, {"run": run})

    def _columns(self, table: str) -> list[str]:
        return [name for (name,) in self._rows(f"SELECT name FROM pragma_table_info('{table}', 'source')")]

    def _rows(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(query, values).fetchall()


def _stamp(output: Output) -> str:
    """Return a text that changes when a store is written to or replaced, or when its artifacts arrive."""
    files = [Path(f"{output.database.resolve()}{suffix}") for suffix in ("", "-wal")]
    stats = [path.stat() for path in files if path.exists()]
    folders = [str((output.directory / name).is_dir()) for name in ARTIFACT_FOLDERS]
    return " ".join([*(f"{stat.st_ino}:{stat.st_size}:{stat.st_mtime_ns}" for stat in stats), *folders])

"""Reading a store that may be written to, or lie on read-only media, without changing a byte of it or beside it."""

import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

HEADER = b"SQLite format 3\0"
WRITE_AHEAD = 2  # byte 18 of the header: https://www.sqlite.org/fileformat.html#file_format_version_numbers
COPIES = 5  # to try for, 0.2 seconds apart, of a database that is being written to
TABLES = {"alembic_version", "experiments", "runs", "tags", "params", "metrics", "latest_metrics"}


class UnreadableError(Exception):
    """A store that can't be shown; the message says why, and what to do about it."""


@contextmanager
def opened(database: Path, revision: str | None = None) -> Iterator[str]:
    """SQLite's URI of the store, or of a copy, for as long as the context lasts.

    A database without a write-ahead log is read in place. One with a log, or with an interrupted transaction, which to
    read SQLite has to write, is copied first, and so is one of another revision, which is then migrated.

    Args:
        revision: of MLflow's schema that it must have; None for any.

    Raises:
        UnreadableError: it is no MLflow store, is damaged, or was written by a newer MLflow.
    """
    with tempfile.TemporaryDirectory(prefix="trialmaker-") as folder:
        try:
            uri = _readable(database, Path(folder, "copy.db"), revision)
        except (OSError, sqlite3.DatabaseError) as error:
            raise UnreadableError(str(error)) from error
        yield uri


def _readable(database: Path, copy: Path, revision: str | None) -> str:
    uri = _in_place(database) or _copied(database, copy)
    found = _revision(uri)
    return _migrated(uri, copy) if revision and found != revision else uri


def _in_place(database: Path) -> str | None:
    """None where SQLite would have to write."""
    with database.open("rb") as file:
        header = file.read(20)
    if not header.startswith(HEADER):
        raise UnreadableError("is no SQLite database" if header else "is empty")
    if header[18] == WRITE_AHEAD:
        return None
    uri = f"file:{quote(str(database))}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=20)) as connection:
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError:
            return None  # an interrupted transaction is to be rolled back
    return uri


def _copied(database: Path, copy: Path) -> str:
    beside = [Path(f"{database}{end}") for end in ("", "-wal", "-journal")]
    for _ in range(COPIES):
        before = [_stamp(path) for path in beside]
        for path in beside:
            target = copy.with_name(path.name.replace(database.name, copy.name))
            if path.exists():
                shutil.copyfile(path, target)
            else:
                target.unlink(missing_ok=True)
        if before == [_stamp(path) for path in beside]:
            return f"file:{quote(str(copy))}"
        time.sleep(0.2)
    raise UnreadableError("is being written to all the time: try again when its job rests")


def _stamp(path: Path) -> tuple[int, int] | None:
    return (path.stat().st_size, path.stat().st_mtime_ns) if path.exists() else None


def _revision(uri: str) -> str:
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables >= TABLES:
            raise UnreadableError("is no MLflow store, or one from before MLflow 1.1: it has not the tables of one")
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(row[0]) if row else ""


def _migrated(uri: str, copy: Path) -> str:
    from trialmaker.tracking import sqlite_store  # MLflow takes a while to import

    if not copy.exists():
        with closing(sqlite3.connect(uri, uri=True)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
    try:
        sqlite_store.migrate(copy)
    except sqlite_store.DatabaseError as error:
        raise UnreadableError(str(error)) from error
    return f"file:{quote(str(copy))}"

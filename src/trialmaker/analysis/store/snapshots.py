"""Read-only access to a store that may be written to, or lie on read-only media, without changing a byte of it.

The tables are those of MLflow's schema up to 3.17; ``alembic_version`` holds the schema's revision.
"""

import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from trialmaker.errors import MAX_SHOWN_CHARACTERS, one_line
from trialmaker.platform import paths
from trialmaker.platform.received_database import check_tables, guard
from trialmaker.platform.regular_files import open_regular

SQLITE_HEADER = b"SQLite format 3\0"
WAL_VERSION = 2  # byte 18 of the header: https://www.sqlite.org/fileformat.html#file_format_version_numbers
COPY_ATTEMPTS = 5  # at a database that is being written to
COPY_PAUSE_SECONDS = 0.2
REQUIRED_TABLES = {"alembic_version", "experiments", "runs", "tags", "params", "metrics", "latest_metrics"}


class UnreadableError(Exception):
    """A store whose runs cannot be read; the message says why, and what to do about it."""


@contextmanager
def open_snapshot(database: Path, revision: str | None = None) -> Iterator[str]:
    """Yield SQLite's URI of the store, or of a copy that is deleted at the end of the context.

    A database without a write-ahead log is read in place. SQLite has to write to read one with a log or with an
    interrupted transaction, so that one is copied first. So is one of another revision, whose copy is then migrated.

    Args:
        database: the store's SQLite file.
        revision: the revision of MLflow's schema to migrate to; None to take any.

    Raises:
        UnreadableError: the file is no MLflow store, is damaged, or was written by a newer MLflow.
    """
    with tempfile.TemporaryDirectory(prefix="trialmaker-") as folder:
        try:
            uri = _readable_uri(database, Path(folder, "copy.db"), revision)
        except (OSError, sqlite3.DatabaseError) as error:
            raise UnreadableError(reason_of(error)) from error
        yield uri


def reason_of(error: Exception) -> str:
    """Return why a store cannot be read, in a line that is not as long as what somebody has put into it."""
    if getattr(error, "sqlite_errorname", "") == "SQLITE_INTERRUPT":
        return "takes too long to read: it is not what it should be"
    return one_line(error, MAX_SHOWN_CHARACTERS)


def _readable_uri(database: Path, copy: Path, revision: str | None) -> str:
    file = database.resolve()  # its log lies beside the file itself
    uri = _uri_in_place(file) or _copy_files(file, copy)
    is_other_revision = _revision(uri, database) != revision
    return _migrate_copy(uri, copy) if revision and is_other_revision else uri


def _uri_in_place(database: Path) -> str | None:
    """Return the URI for reading in place; None where SQLite would have to write."""
    if database.exists() and not database.is_file():
        raise UnreadableError("is no regular file")
    with open_regular(database) as file:
        header = file.read(20)
    if not header.startswith(SQLITE_HEADER):
        raise UnreadableError("is no SQLite database" if header else "is empty")
    if header[18] == WAL_VERSION:
        return None
    uri = f"file:{quote(str(database))}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=20)) as connection:
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError:
            return None  # an interrupted transaction has to be rolled back
    return uri


def _copy_files(database: Path, copy: Path) -> str:
    """Copy a database with its log and journal, at a moment when none of them changes; return the copy's URI."""
    files = [Path(f"{database}{suffix}") for suffix in ("", "-wal", "-journal")]
    if links := [path.name for path in files[1:] if path.is_symlink()]:
        raise UnreadableError(f"its {links[0]} is a link")
    for _ in range(COPY_ATTEMPTS):
        stamps = [_stamp(path) for path in files]
        for path in files:
            target = copy.with_name(path.name.replace(database.name, copy.name))
            if path.exists():
                with open_regular(path) as source, target.open("wb") as file:
                    shutil.copyfileobj(source, file)
            else:
                target.unlink(missing_ok=True)
        if stamps == [_stamp(path) for path in files]:
            return f"file:{quote(str(copy))}"
        time.sleep(COPY_PAUSE_SECONDS)
    raise UnreadableError("is being written to all the time: try again when its job rests")


def _stamp(path: Path) -> tuple[int, int] | None:
    return (path.stat().st_size, path.stat().st_mtime_ns) if path.exists() else None


def _revision(uri: str, database: Path) -> str:
    """Return the revision of the store's schema, empty where the store records none; check its tables before."""
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        guard(connection, database.stat().st_size)
        if not paths.is_own_output(database.parent):
            check_tables(connection)
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables >= REQUIRED_TABLES:
            raise UnreadableError("is no MLflow store, or one from before MLflow 1.1: it has not the tables of one")
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(row[0]) if row else ""


def _migrate_copy(uri: str, copy: Path) -> str:
    """Migrate the copy, made here if there is none yet, to this MLflow's schema; return its URI."""
    from trialmaker.tracking import sqlite_store  # MLflow takes a while to import

    if not copy.exists():
        with closing(sqlite3.connect(uri, uri=True)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
    try:
        sqlite_store.migrate(copy)
    except sqlite_store.StoreError as error:
        raise UnreadableError(str(error)) from error
    return f"file:{quote(str(copy))}"

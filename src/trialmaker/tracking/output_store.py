"""What lies under the name of an output's store and cannot be used: set aside, so that a new one can be made.

A training goes on whatever lies under the store's name. Nothing is deleted: a file that is damaged, or of another
program or another MLflow, gets another name, and a line says where it is and what can be done with it.
"""

import os
import re
import shlex
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from pathlib import Path

import mlflow
import mlflow.store.db.utils
from mlflow.store import db_migrations

from trialmaker.errors import UserError, one_line
from trialmaker.platform import paths
from trialmaker.platform.atomic_files import locked
from trialmaker.platform.received_database import PROGRESS_INSTRUCTIONS, DoubtfulDatabase, check_tables
from trialmaker.tracking import experiments
from trialmaker.tracking.artifact_places import ARTIFACT_FOLDER
from trialmaker.tracking.delivery_state import DeliveryState
from trialmaker.tracking.output_journals import journals
from trialmaker.tracking.places import STATE_FILE
from trialmaker.tracking.settings import STORE_FILE

HEADER = b"SQLite format 3\0"
COMPANIONS = ("-wal", "-shm", "-journal")  # SQLite's other files of a database
OWN_TABLES = {"alembic_version", "experiments", "runs", "metrics", "params", "tags"}  # of MLflow's, the oldest too
DAMAGES = ("SQLITE_CORRUPT", "SQLITE_NOTADB")  # SQLite's errors of a damaged file, as opposed to a busy one
BUSY_SECONDS = 1.0  # to wait for another program's write
CHECK_SECONDS = 2.0  # a large store is looked through no longer when a run starts
DAMAGE = re.compile(
    r"malformed|not a database|no such (table|column)|out-of-date database schema|readonly database|unable to open data"
)
UNCHANGED = "; it is as it was"


@dataclass(frozen=True)
class Fault:
    """Why a store cannot be used.

    Args:
        text: what it is, after its path and a blank.
        advice: what can be done with it, with ``{path}`` and ``{uri}`` for its new name.
    """

    text: str
    advice: str = UNCHANGED


def clear_place(output: Path, *, is_suspect: bool = False) -> str | None:
    """Set aside what lies under the name of an output's store and cannot be used; whoever comes next makes a new one.

    Args:
        output: the output directory.
        is_suspect: whether the store has failed by an error that a damaged one would cause; it is then looked through
            to its end. Otherwise that takes ``CHECK_SECONDS`` at most.

    Returns:
        a line that says what was set aside; None for nothing.

    Raises:
        UserError: it cannot be moved.
    """
    file = output / STORE_FILE
    with locked(output / experiments.LOCK):
        _remove_if_empty(file)
        notices = [_clear_artifacts(output / ARTIFACT_FOLDER)]
        if fault := find_fault(file, seconds=None if is_suspect else CHECK_SECONDS):
            notices.append(f"{set_aside(file, fault)}{_forget_deliveries(output)}")
        return "; ".join(filter(None, notices)) or None


def _clear_artifacts(folder: Path) -> str:
    """Set aside what is no folder, and lies where MLflow's artifacts go; return a line that says so."""
    if not os.path.lexists(folder) or folder.is_dir():
        return ""
    aside = _free_name(folder)
    try:
        folder.rename(aside)
    except OSError as error:
        raise UserError(f"{folder} is no folder, and cannot be moved away: {error.strerror}") from error
    return f"{folder} is no folder: a new one takes its place, and it is now {aside.name}{UNCHANGED}"


def _remove_if_empty(file: Path) -> None:
    """Remove a file without content, which SQLite makes for whoever opens a store that was set aside."""
    if file.is_file() and not file.is_symlink() and not file.stat().st_size and not any(_companions(file)):
        file.unlink()


def _forget_deliveries(output: Path) -> str:
    """Have the runs that were delivered to the output's own store be delivered again; return a text that says so."""
    states = [path.with_name(STATE_FILE) for path in journals(output)]
    delivered = [path for path in states if path.exists() and not DeliveryState.read(path).store]
    for path in delivered:
        path.unlink(missing_ok=True)
    return f"; what {len(delivered)} runs have in logs/ is delivered to the new store too" if delivered else ""


def is_damage(error: Exception) -> bool:
    """Return whether an error of MLflow's may come from a store that cannot be used."""
    return bool(DAMAGE.search(str(error)))


def identity(output: Path) -> tuple[int, int] | None:
    """Return what tells the store's file from another one of the same name; None where there is none."""
    try:
        status = (output / STORE_FILE).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def find_fault(file: Path, *, seconds: float | None = None) -> Fault | None:
    """Return why a store cannot be used; None where it can, where it is missing, and where another program locks it.

    Args:
        file: the store.
        seconds: how long to look for damages; None to look through all of it.
    """
    if not file.exists():
        if file.is_symlink():
            return Fault("is a link that leads nowhere")
        return Fault("is gone, and has left SQLite's journal of it") if any(_companions(file)) else None
    if not file.is_file():
        return Fault("is a folder" if file.is_dir() else "is no regular file")
    if not os.access(file, os.R_OK | os.W_OK):
        return Fault("may not be read or written by this user")
    with file.open("rb") as content:
        header = content.read(len(HEADER))
    if header != HEADER:
        return Fault("is no SQLite database" if header else "is empty")
    return _fault_of_database(file, seconds)


def _fault_of_database(file: Path, seconds: float | None) -> Fault | None:
    try:
        with closing(sqlite3.connect(file, timeout=BUSY_SECONDS)) as connection:
            if not paths.is_own_output(file.parent):
                check_tables(connection)
            return _fault_of_tables(connection) or _damage(connection, seconds)
    except DoubtfulDatabase as error:
        return Fault(str(error))
    except sqlite3.DatabaseError as error:
        return _damaged(one_line(error)) if getattr(error, "sqlite_errorname", "").startswith(DAMAGES) else None


def _fault_of_tables(connection: sqlite3.Connection) -> Fault | None:
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables >= OWN_TABLES:
        return Fault("is a SQLite database, but no store of MLflow's")
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    revision = str(row[0]) if row else "none"
    latest, revisions = _revisions()
    if revision == latest:
        return None
    if revision in revisions:
        renewal = "; python -m trialmaker ui {path} shows its runs, and mlflow db upgrade {uri} renews it"
        return Fault(f"is a store of an older MLflow than this one, {mlflow.__version__}", renewal)
    return Fault(
        f"is a store of a newer MLflow than this one, {mlflow.__version__}",
        "; with the newer one, mlflow ui --backend-store-uri {uri} shows its runs",
    )


@lru_cache
def _revisions() -> tuple[str, frozenset[str]]:
    """Return the revision of the installed MLflow's tables, and all that it knows; seen in MLflow 3.17."""
    scripts = [path for folder in db_migrations.__path__ for path in Path(folder, "versions").glob("*_*.py")]
    latest: str = mlflow.store.db.utils._get_latest_schema_revision()
    return latest, frozenset(path.name.partition("_")[0] for path in scripts)


def _damage(connection: sqlite3.Connection, seconds: float | None) -> Fault | None:
    """Look through the pages, and without a limit of time through the indexes too."""
    connection.execute("PRAGMA ignore_check_constraints = ON")  # they may say anything, and be endless
    deadline = None if seconds is None else time.monotonic() + seconds
    if deadline is not None:
        connection.set_progress_handler(lambda: time.monotonic() > deadline, PROGRESS_INSTRUCTIONS)
    statement = "PRAGMA integrity_check(1)" if deadline is None else "PRAGMA quick_check(1)"
    (result,) = connection.execute(statement).fetchone()
    return None if result == "ok" else _damaged(one_line(result))


def _damaged(reason: str) -> Fault:
    return Fault(f"is damaged ({reason})", "; sqlite3 {path} .recover prints what can be read of it, as SQL")


def _companions(file: Path) -> Iterator[tuple[Path, str]]:
    """Yield SQLite's other files of a database, and the end of their names."""
    for suffix in COMPANIONS:
        path = Path(f"{file}{suffix}")
        if os.path.lexists(path):
            yield path, suffix


def set_aside(file: Path, fault: Fault) -> str:
    """Rename a database, the other files of SQLite's with it; return a line that says so.

    Raises:
        UserError: it cannot be renamed.
    """
    aside = _free_name(file)
    try:
        if os.path.lexists(file):
            file.rename(aside)
        for path, suffix in _companions(file):
            path.rename(Path(f"{aside}{suffix}"))
    except OSError as error:
        raise UserError(f"{file} {fault.text}, and cannot be moved away: {error.strerror}") from error
    uri = shlex.quote(f"sqlite:///{aside}")
    advice = fault.advice.format(path=shlex.quote(str(aside)), uri=uri)
    return f"{file} {fault.text}: a new store takes its place, and it is now {aside.name}{advice}"


def _free_name(file: Path) -> Path:
    """Return a name beside a file that is not taken: ``mlflow.db.aside-20261129-233000``, with ``-2`` if need be."""
    stem = f"{file.name}.aside-{time.strftime('%Y%m%d-%H%M%S')}"
    taken = [path.name for path in file.parent.iterdir()]
    names = (stem if number == 1 else f"{stem}-{number}" for number in count(1))
    return file.with_name(next(name for name in names if not any(f"{one}-".startswith(f"{name}-") for one in taken)))

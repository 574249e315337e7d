"""The storage of a study: a journal file that survives kills, or what a URL names."""

import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from hydra.errors import HydraException
from optuna import Study, load_study
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from sqlalchemy import create_engine, event, inspect
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.exc import SQLAlchemyError

from optuna_sweep.location import displayed, without_password
from optuna_sweep.reports import ReportJournal

DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg", "mysql": "mysql+pymysql"}
PROXY_SECONDS = 20  # to wait for a gRPC proxy before the sweep is refused
TABLE_ATTEMPTS = 5  # to create a database's tables
SPOILT = (LookupError, TypeError, AttributeError, AssertionError, RecursionError)  # what Optuna makes of odd records
JOURNAL_START = b'{"op_code":'  # of each line of a journal


def open_storage(place: str, away_seconds: float = PROXY_SECONDS) -> BaseStorage:
    """Open a storage, and create it where there is none.

    Args:
        place: the path of a journal file, ``grpc://host:port``, or a database's URL.
        away_seconds: how long to wait for a gRPC proxy that does not answer, now and later.

    Raises:
        HydraException: nothing answers there, its driver is not installed, or the file is no journal.
    """
    scheme, separator, rest = place.partition("://")
    with _errors_of(place):
        if not separator:
            return ReportJournal(_Journal(Path(place)))
        return _proxy(rest, away_seconds) if scheme == "grpc" else _database(scheme, place)


def find_study(place: str, name: str) -> Study | None:
    """Return a study without creating anything; None where there is none of that name.

    Args:
        place: as for ``open_storage``.
        name: the study's.

    Raises:
        HydraException: as of ``open_storage``.
    """
    if not _exists(place):
        return None
    try:
        return load_study(study_name=name, storage=open_storage(place))
    except KeyError:
        return None


def _exists(place: str) -> bool:
    """Return whether there is a storage: a file, a proxy, or a database with Optuna's tables."""
    scheme, separator, _ = place.partition("://")
    if not separator:
        return Path(place).is_file()
    if scheme == "grpc":
        return True
    with _errors_of(place):
        url = make_url(place).set(drivername=DRIVERS.get(scheme, scheme))
        if scheme.startswith("sqlite") and not Path(url.database or "").is_file():
            return False
        engine = create_engine(url)
        try:
            return bool(inspect(engine).has_table("studies"))
        finally:
            engine.dispose()


@contextmanager
def _errors_of(place: str) -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, ImportError, ValueError, RuntimeError, OSError, *SPOILT) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        reason = f"is damaged, or no study of Optuna's: {reason}" if isinstance(error, SPOILT) else reason
        raise HydraException(f"hydra.sweeper.storage={displayed(place)}: {without_password(reason, place)}") from error


def _proxy(address: str, away_seconds: float) -> BaseStorage:
    from optuna_sweep.proxy_client import PROXY_PORT, PatientProxy  # gRPC's import

    host, _, port = address.partition(":")
    storage = PatientProxy(host=host, port=int(port or PROXY_PORT), away_seconds=away_seconds)
    storage.wait_for_answer()
    return storage


def _database(scheme: str, place: str) -> BaseStorage:
    url = make_url(place).set(drivername=DRIVERS.get(scheme, scheme))
    is_sqlite = scheme.startswith("sqlite")
    options: dict[str, Any] = {"connect_args": {"timeout": 60}} if is_sqlite else {"pool_pre_ping": True}
    for attempt in range(TABLE_ATTEMPTS):
        try:
            storage = RDBStorage(url.render_as_string(hide_password=False), engine_kwargs=options)
            break
        except SQLAlchemyError as error:  # another process creates the same tables at this moment
            if attempt == TABLE_ATTEMPTS - 1 or not re.search("exist|duplicate", str(error), re.IGNORECASE):
                raise
            time.sleep(1.0)
    if is_sqlite:
        _lock_whole_transactions(storage.engine)
    return storage


def _lock_whole_transactions(engine: Engine) -> None:
    """Lock SQLite from a transaction's start: it has no SELECT … FOR UPDATE, by which Optuna claims a trial."""

    def disable_implicit_begin(connection: Any, _: object) -> None:
        connection.isolation_level = None

    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(engine, "connect", disable_implicit_begin)
    event.listen(engine, "begin", begin)
    engine.dispose()  # connections that were opened before


class _Journal(JournalFileBackend):
    """Optuna's journal file, for local file systems and NFS version 4."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            if not path.is_file():
                raise ValueError("is no regular file; name another one, or a database as sqlite:///…")
            with path.open("rb") as file:
                start = file.read(len(JOURNAL_START))
                if not JOURNAL_START.startswith(start):  # a file may be empty, or end within its first line
                    raise ValueError("is no journal of Optuna's; name another file, or a database as sqlite:///…")
        super().__init__(str(path), lock_obj=_Lock(path))


class _Lock(JournalFileOpenLock):
    """The kernel's lock on a journal, free again the moment that its holder dies, however it dies.

    To lock the file removes what a killed writer left of its last line; otherwise the file could never be read again
    (optuna#5138, seen to be needed with optuna 5.0).

    Optuna uses it in one thread at a time. What is locked still when it is asked for again was left by an exception
    that a signal's handler raised, perhaps between here and Optuna's own clean-up: this process would wait for itself.
    """

    def __init__(self, journal: Path) -> None:
        super().__init__(str(journal))
        self.journal = journal
        self.file: IO[bytes] | None = None

    def acquire(self) -> bool:
        """Wait for the lock, mend the journal, and return True."""
        self.release()
        lock = self.journal.with_name(self.journal.name + ".lock")
        self.file = os.fdopen(os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666), "rb")
        fcntl.flock(self.file, fcntl.LOCK_EX)
        with self.journal.open("r+b") as file:
            size = file.seek(0, os.SEEK_END)
            if (end := _end_of_last_line(file.fileno(), size)) < size:
                file.truncate(end)
        return True

    def release(self) -> None:
        """Release the lock, if there is one."""
        if self.file:
            self.file.close()
            self.file = None


def _end_of_last_line(file: int, size: int) -> int:
    """Return where the last whole line of a file ends, read in blocks from the end, since journals grow long."""
    block = 1 << 12
    for start in range((size - 1) // block * block, -1, -block):
        at = os.pread(file, min(block, size - start), start).rfind(b"\n")
        if at >= 0:
            return start + at + 1
    return 0

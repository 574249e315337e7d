"""Where a study lies: a journal file that survives kills, or what an URL names."""

import fcntl
import os
import re
import time
from pathlib import Path
from typing import Any

from hydra.errors import HydraException
from optuna.storages import BaseStorage, GrpcStorageProxy, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from sqlalchemy import event
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.exc import SQLAlchemyError

from optuna_sweep.location import displayed

DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg", "mysql": "mysql+pymysql"}
PROXY_SECONDS = 20  # to wait for a proxy before the sweep is refused
TABLE_ATTEMPTS = 5  # to make a database's tables
JOURNAL = b'{"op_code":'  # how each of its lines begins


def open_storage(place: str) -> BaseStorage:
    """Open, and make if need be.

    Args:
        place: the path of a file, ``grpc://host:port``, or a database's URL.

    Raises:
        HydraException: nothing answers there, or its driver is not installed.
    """
    scheme, separator, rest = place.partition("://")
    try:
        if not separator:
            return JournalStorage(_Journal(Path(place)))
        return _proxy(rest) if scheme == "grpc" else _database(scheme, place)
    except (SQLAlchemyError, ImportError, ValueError, RuntimeError, OSError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise HydraException(f"hydra.sweeper.storage={displayed(place)}: {_redacted_reason(place, reason)}") from error


def _redacted_reason(place: str, text: str) -> str:
    """A message of a driver's, which may repeat the address."""
    return text.replace(place, displayed(place)).replace(place.rpartition("@")[0].rpartition(":")[2] or "\0", "***")


def _proxy(address: str) -> BaseStorage:
    host, _, port = address.partition(":")
    storage = GrpcStorageProxy(host=host, port=int(port or 13000))
    storage.wait_server_ready(timeout=PROXY_SECONDS)
    return storage


def _database(scheme: str, place: str) -> BaseStorage:
    url = make_url(place).set(drivername=DRIVERS.get(scheme, scheme))
    is_sqlite = scheme.startswith("sqlite")
    options: dict[str, Any] = {"connect_args": {"timeout": 60}} if is_sqlite else {"pool_pre_ping": True}
    for attempt in range(TABLE_ATTEMPTS):
        try:
            storage = RDBStorage(url.render_as_string(hide_password=False), engine_kwargs=options)
            break
        except SQLAlchemyError as error:  # another process makes the same tables at this moment
            if attempt == TABLE_ATTEMPTS - 1 or not re.search("exist|duplicate", str(error), re.IGNORECASE):
                raise
            time.sleep(1.0)
    if is_sqlite:
        _lock_whole_transactions(storage.engine)
    return storage


def _lock_whole_transactions(engine: Engine) -> None:
    """SQLite knows no SELECT ... FOR UPDATE, by which Optuna gives a trial to one worker alone."""

    def leave_it_to_us(connection: Any, _: object) -> None:
        connection.isolation_level = None

    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(engine, "connect", leave_it_to_us)
    event.listen(engine, "begin", begin)
    engine.dispose()  # connections that were opened before


class _Journal(JournalFileBackend):
    """Optuna's journal in a file, for local file systems and NFS version 4."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            with path.open("rb") as file:
                if not (JOURNAL.startswith(start := file.read(len(JOURNAL))) or start.startswith(JOURNAL)):
                    raise ValueError("is no journal of Optuna's; name another file, or a database as sqlite:///…")
        super().__init__(str(path), lock_obj=_Lock(path))


class _Lock(JournalFileOpenLock):
    """The kernel's lock: free again the moment that its holder dies, however it dies.

    What a killed writer left of its last line is taken away as soon as the file is locked for the next one; otherwise
    the file could never be read again (optuna#5138).
    """

    def __init__(self, journal: Path) -> None:
        super().__init__(str(journal))
        self.journal = journal
        self.file = -1

    def acquire(self) -> bool:
        lock = os.open(self.journal.with_name(self.journal.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o666)
        fcntl.flock(lock, fcntl.LOCK_EX)
        self.file = lock
        with self.journal.open("r+b") as file:
            size = file.seek(0, os.SEEK_END)
            if (end := _end_of_last_line(file.fileno(), size)) < size:
                file.truncate(end)
        return True

    def release(self) -> None:
        os.close(self.file)


def _end_of_last_line(file: int, size: int) -> int:
    """Where the last whole line of a file ends; in blocks from the end, since journals grow long."""
    block = 1 << 12
    for start in range((size - 1) // block * block, -1, -block):
        at = os.pread(file, min(block, size - start), start).rfind(b"\n")
        if at >= 0:
            return start + at + 1
    return 0

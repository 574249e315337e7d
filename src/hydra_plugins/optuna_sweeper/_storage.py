"""Where a study lies: a journal file that survives kills, or what an URL names."""

import fcntl
import os
from pathlib import Path

from hydra.errors import HydraException
from optuna.storages import BaseStorage, GrpcStorageProxy, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, OperationalError

DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg", "mysql": "mysql+pymysql"}
SECONDS = 20  # to wait for a database or a proxy before the sweep is refused


def open_storage(place: str) -> BaseStorage:
    """Open, and make if need be.

    Args:
        place: the path of a file, ``grpc://host:port``, or a database's URL.

    Raises:
        HydraException: nothing answers there, or its driver is not installed.
    """
    scheme, separator, rest = place.partition("://")
    if not separator:
        return JournalStorage(_Journal(Path(place)))
    if scheme == "grpc":
        return _proxy(rest)
    try:
        url = make_url(place).set(drivername=DRIVERS.get(scheme, scheme))
        options = {"pool_pre_ping": True} if not scheme.startswith("sqlite") else {"connect_args": {"timeout": 60}}
        return RDBStorage(url.render_as_string(hide_password=False), engine_kwargs=options)
    except (ArgumentError, OperationalError, ImportError) as error:
        raise HydraException(f"hydra.sweeper.storage={shown(place)}: {str(error).splitlines()[0]}") from error


def shown(place: str) -> str:
    """A place as people may see it: without its password."""
    scheme, separator, rest = place.partition("://")
    access, at, host = rest.rpartition("@")
    return f"{scheme}{separator}{access.partition(':')[0]}{':***' if ':' in access else ''}{at}{host}"


def _proxy(address: str) -> BaseStorage:
    host, _, port = address.partition(":")
    storage = GrpcStorageProxy(host=host, port=int(port or 13000))
    try:
        storage.wait_server_ready(timeout=SECONDS)
    except ConnectionError as error:
        raise HydraException(f"hydra.sweeper.storage=grpc://{address}: no proxy answered in {SECONDS} s") from error
    return storage


class _Journal(JournalFileBackend):
    """Optuna's journal in a file, for local file systems and NFS version 4."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
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

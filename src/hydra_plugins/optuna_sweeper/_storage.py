"""Where a study lies: a journal file that survives kills, or what an URL names."""

import fcntl
import os
from pathlib import Path

from optuna.storages import BaseStorage, GrpcStorageProxy, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock


def open_storage(place: str) -> BaseStorage:
    """Open, and make if need be.

    Args:
        place: the path of a file, ``grpc://host:port``, or a database's URL.
    """
    scheme, separator, rest = place.partition("://")
    if not separator:
        return JournalStorage(_Journal(Path(place)))
    if scheme == "grpc":
        host, _, port = rest.partition(":")
        return GrpcStorageProxy(host=host, port=int(port or 13000))
    return RDBStorage(place, engine_kwargs={"pool_pre_ping": True} if scheme != "sqlite" else None)


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

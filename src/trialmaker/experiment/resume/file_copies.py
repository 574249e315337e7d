"""Copies of what somebody else has put there, which is only read; links are not followed, pipes not waited for."""

import os
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

from trialmaker.platform.received_database import check_tables, guard

OWNER_MODE = stat.S_IRUSR | stat.S_IWUSR  # a copy of a read-only input is written to
JOURNALS = ("-wal", "-journal")  # SQLite's beside a database; its third file, -shm, is made anew from the first


def copy_entry(source: Path, target: Path) -> None:
    """Copy a folder or a regular file, with its times; whatever else it is, or holds, is left out.

    Raises:
        OSError: it cannot be read, or the copy cannot be written.
    """
    status = source.lstat()
    if stat.S_ISDIR(status.st_mode):
        target.mkdir(parents=True, exist_ok=True)
        for entry in sorted(source.iterdir()):
            copy_entry(entry, target / entry.name)
        extra = OWNER_MODE | stat.S_IXUSR
    elif stat.S_ISREG(status.st_mode):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target, follow_symlinks=False)
        extra = OWNER_MODE
    else:
        return
    target.chmod(status.st_mode & 0o777 | extra)
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


def copy_database(source: Path, target: Path) -> None:
    """Copy a SQLite database as it was after its last whole transaction, whatever its last process was killed in.

    SQLite rolls back an interrupted transaction when it opens a database, for which it has to write: to a first copy.

    Args:
        source: the database; it is only read.
        target: the copy, which does not exist; beside it there is room for the first one.

    Raises:
        sqlite3.Error: it is no database, damaged, or holds more than plain tables.
        OSError: it cannot be read, or the copy cannot be written.
    """
    folder = target.with_name(f"{target.name}.files")
    files = [source, *(Path(f"{source}{suffix}") for suffix in JOURNALS)]
    try:
        for path in files:
            if os.path.lexists(path):
                copy_entry(path, folder / path.name)
        with closing(sqlite3.connect(folder / source.name)) as first, closing(sqlite3.connect(target)) as second:
            guard(first, files[0].stat().st_size)
            check_tables(first)  # before anything that would compute what they say
            first.backup(second)
            second.execute("PRAGMA ignore_check_constraints = ON")
            guard(second, target.stat().st_size)
            (result,) = second.execute("PRAGMA quick_check(1)").fetchone()
            if result != "ok":
                raise sqlite3.DatabaseError(result)
    finally:
        shutil.rmtree(folder, ignore_errors=True)

"""The artifacts of a merged store's runs and models: files below the output that they came with, and no others.

Whoever made an output chose the addresses in its store, and may have put links beside it.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from trialmaker.analysis.store.merge_sql import ADDRESS_COLUMNS
from trialmaker.analysis.store.relocation import STORE_ALIAS, local_path
from trialmaker.platform.received_files import is_inside, regular_files
from trialmaker.tracking.settings import STORE_FILE

NOWHERE = "left-out"  # a folder that the merged store never has: the place of what is left out
COUNTED = ("runs", "logged_models", "model_versions")


def nowhere(store: Path) -> str:
    """Return the address, in a merged store, of artifacts that are left out: there are none."""
    return (store.absolute() / NOWHERE).as_uri()


def leave_out_foreign_places(connection: sqlite3.Connection, store: Path) -> int:
    """Have each address whose files are not the output's own lead nowhere; return the number of runs and models.

    Args:
        connection: to the merged store.
        store: its folder.
    """
    own = ArtifactFolders(connection, store)
    count, missing = 0, nowhere(store)
    for table, columns in ADDRESS_COLUMNS.items():
        for column in sorted(columns):
            rows = connection.execute(f"SELECT rowid, {column} FROM {table} WHERE {column} IS NOT NULL").fetchall()
            foreign = [(row, address) for row, address in rows if address == missing or not own.holds(address)]
            count += len(foreign) if table in COUNTED else 0
            for row, address in foreign:
                if address != missing:
                    connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (missing, row))
                    own.forget_stamp(connection, address)
    return count


class ArtifactFolders:
    """The folders of a merged store's artifacts: those below one of its outputs, or below the store itself.

    Args:
        connection: to the merged store.
        store: its folder.

    Attributes:
        left_out: how many files were left out: links that lead out of an output, pipes, devices.
    """

    def __init__(self, connection: sqlite3.Connection, store: Path) -> None:
        databases = [Path(path) for (path,) in connection.execute("SELECT database FROM trialmaker_sources")]
        self.databases = {str(path.parent): path for path in databases}
        self.outputs = {path: Path(path).resolve() for path in (*self.databases, str(store.absolute()))}
        self.left_out = 0

    @classmethod
    def of(cls, store: Path) -> "ArtifactFolders":
        """Return those of a merged store's folder."""
        uri = f"file:{quote(str(store.absolute() / STORE_FILE))}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            return cls(connection, store)

    def holds(self, address: str) -> bool:
        """Return whether an address is that of files of an output's own, or that of a model by its id."""
        return bool(STORE_ALIAS.fullmatch(address)) or self.folder(address) is not None

    def folder(self, address: str | None) -> Path | None:
        """Return the path of an address, which may not exist; None where it is not in the output that it names."""
        path = local_path(address)
        output = self._output(path) if path else None
        return path if path and output and is_inside(path, self.outputs[str(output)]) else None

    def files(self, address: str | None) -> dict[str, Path]:
        """Return the files at an address, by their path below it."""
        folder = self.folder(address)
        output = self._output(folder) if folder else None
        if folder is None or output is None or not folder.is_dir():
            return {}
        files, left_out = regular_files(folder, output)
        self.left_out += left_out
        return files

    def forget_stamp(self, connection: sqlite3.Connection, address: str) -> None:
        """Have the output of an address be read again by the next merge: a link may be gone by then."""
        path = local_path(address)
        if database := self.databases.get(str(path and self._output(path))):
            connection.execute("DELETE FROM trialmaker_sources WHERE database = ?", (str(database),))

    def _output(self, path: Path) -> Path | None:
        """Return the innermost output that a path names; its links are not followed yet."""
        if not path.is_absolute() or ".." in path.parts:
            return None
        return next((one for one in (path, *path.parents) if str(one) in self.outputs), None)

"""Where a store's artifacts are written to, of an output that was moved or received: into it, and nowhere else.

MLflow records absolute addresses (https://github.com/mlflow/mlflow/issues/3144), and whoever wrote a store chose them.
The tables are those of MLflow 3.17.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

from trialmaker.errors import UserError
from trialmaker.platform.received_files import is_inside
from trialmaker.tracking.settings import STORE_FILE

ARTIFACT_FOLDER = "mlartifacts"  # in an output
PLACES = (  # table, key, column, and which rows a run writes to
    ("experiments", "experiment_id", "artifact_location", "name = :experiment"),
    ("runs", "run_uuid", "artifact_uri", "run_uuid = :run"),
    ("logged_models", "model_id", "artifact_location", "source_run_id = :run"),
)


def keep_inside(output: Path, experiment: str, run_id: str) -> None:
    """Have the artifacts of a run be written into its output, where the output has been moved since.

    Args:
        output: the output directory, with its own store.
        experiment: the name of the run's experiment.
        run_id: MLflow's id of the run; "" while it has none.

    Raises:
        UserError: they are meant to go over the network, or a link in the output leads out of it.
        sqlite3.Error: the store cannot be used.
    """
    if not (output / STORE_FILE).is_file():
        return
    with closing(sqlite3.connect(output / STORE_FILE)) as connection, connection:
        move_inside(connection, output, experiment, run_id)


def move_inside(connection: sqlite3.Connection, output: Path, experiment: str, run_id: str) -> None:
    """Do as ``keep_inside`` does, in a store that is open, and may not lie in its output yet. It commits nothing."""
    for table, key, column, condition in PLACES:
        query = f"SELECT {key}, {column} FROM {table} WHERE {condition}"
        rows = connection.execute(query, {"experiment": experiment, "run": run_id}).fetchall()
        for identity, address in _moved(rows, output):
            connection.execute(f"UPDATE {table} SET {column} = ? WHERE {key} = ?", (address, identity))


def _moved(rows: list[tuple[object, str | None]], output: Path) -> Iterator[tuple[object, str]]:
    """Yield the keys of what lies outside the output, and the address inside that takes its place."""
    for identity, address in rows:
        path = _path(address or "")
        if not is_inside(path, output):
            parts = [part for part in path.parts if part not in ("/", "..")]
            last = max((at for at, part in enumerate(parts) if part == ARTIFACT_FOLDER), default=-1)
            inside = output.absolute().joinpath(ARTIFACT_FOLDER, *(parts[last + 1 :] if last >= 0 else [str(identity)]))
            if not is_inside(inside, output):
                raise UserError(f"{inside} leads out of the output: remove the link")
            yield identity, inside.as_uri()


def _path(address: str) -> Path:
    parts = urlsplit(address)
    if parts.scheme not in ("", "file") or parts.netloc not in ("", "localhost"):
        raise UserError(f"its artifacts are meant to go to {address}: a training in this output delivers them there")
    return Path(unquote(parts.path) if parts.scheme else address)

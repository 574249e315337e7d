"""Small MLflow stores in SQLite, without the wait for MLflow to make each."""

import sqlite3
import tempfile
from contextlib import closing
from functools import lru_cache
from pathlib import Path

from mlflow import MlflowClient

from trialmaker.tracking import sqlite_store


@lru_cache
def empty_store() -> bytes:
    """Return the content of an empty store's file."""
    with tempfile.TemporaryDirectory() as folder:
        sqlite_store.create(Path(folder, "mlflow.db"))
        return Path(folder, "mlflow.db").read_bytes()


def create_store(folder: Path) -> MlflowClient:
    """Create an empty store in a folder, with its artifacts beside it; return a client of it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mlflow.db").write_bytes(empty_store())
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        connection.execute("UPDATE experiments SET artifact_location = ?", ((folder / "mlartifacts" / "0").as_uri(),))
        connection.commit()
    return MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")

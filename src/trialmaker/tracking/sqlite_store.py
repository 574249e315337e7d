"""MLflow stores in SQLite: make one, bring its schema up to date, mark its runs.

MLflow has no public Python function for the first two; those of ``mlflow.store`` that are used here begin with an
underscore, and were seen to be needed with MLflow 3.17.
"""

import logging
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow
import mlflow.store.db.utils
from alembic.util import CommandError
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from trialmaker.errors import UserError, first_line

PRUNED_TAG = "trialmaker.pruned"
CONNECTION_ATTEMPTS = 3
STORE_REASON_CHARACTERS = 200  # of an error of MLflow's or SQLAlchemy's


class StoreError(UserError):
    """A store that can't be made or brought up to date; the message is one line."""


def limit_retries() -> None:
    """Let a database that cannot be reached be an error in seconds.

    MLflow (3.17) tries 10 times with growing pauses, which takes two minutes, and has no setting for it.
    """
    mlflow.store.db.utils.MAX_RETRY_COUNT = CONNECTION_ATTEMPTS


def create(file: Path) -> None:
    """Make a store, first under another name: MLflow's migrations take seconds, and can't be resumed after a kill.

    Two processes that make one at once break it too; call it under a lock. Artifacts go beside it.

    Raises:
        StoreError: it cannot be written.
    """
    _silence_migrations()
    _remove_unfinished(file)
    new = file.with_name(f".{file.name}.new")
    artifacts = (file.parent / "mlartifacts").absolute().as_uri()
    event.listen(Engine, "connect", _wait_for_no_disk)
    try:
        SqlAlchemyStore(f"sqlite:///{new}", artifacts)._dispose_engine()  # closes the file, which is renamed
    except (MlflowException, SQLAlchemyError) as error:
        _remove_unfinished(file)
        raise StoreError(first_line(error, STORE_REASON_CHARACTERS)) from error
    finally:
        event.remove(Engine, "connect", _wait_for_no_disk)
    with new.open("rb") as written:
        os.fsync(written.fileno())
    new.rename(file)


def _remove_unfinished(file: Path) -> None:
    for unfinished in file.parent.glob(f".{file.name}.new*"):
        unfinished.unlink()


def close_connections(file: Path) -> None:
    """Close this process' connections to a store whose file has been replaced; MLflow opens new ones as it needs them.

    MLflow (3.17) keeps them for as long as the process runs.
    """
    if engine := SqlAlchemyStore._engine_map.get(f"sqlite:///{file}"):
        engine.dispose()


def migrate(file: Path) -> None:
    """Bring a store's schema to that of the installed MLflow, as the command ``mlflow db upgrade`` does.

    Raises:
        StoreError: it is that of a newer MLflow, or the file is damaged.
    """
    _silence_migrations()
    engine = create_engine(URL.create("sqlite", database=str(file)))
    try:
        mlflow.store.db.utils._upgrade_db(engine)
    except CommandError as error:
        raise StoreError(f"was written by a newer MLflow: {error}; this is MLflow {mlflow.__version__}") from error
    except (MlflowException, SQLAlchemyError) as error:
        raise StoreError(f"cannot be brought up to date: {first_line(error, STORE_REASON_CHARACTERS)}") from error
    finally:
        engine.dispose()


def mark_pruned(file: Path, run_id: str, models: Sequence[str]) -> None:
    """Record in a store that a run's artifacts have been removed.

    Args:
        file: the store.
        run_id: MLflow's id of the run.
        models: ids of the run's logged models, which are deleted.

    Raises:
        UserError: the store can't be written.
    """
    try:
        client = mlflow.MlflowClient(f"sqlite:///{file}")
        client.set_tag(run_id, PRUNED_TAG, datetime.now(UTC).isoformat(timespec="seconds"))
        for model in models:
            client.delete_logged_model(model)
    except MlflowException as error:
        raise UserError(f"{file}: cannot be written: {first_line(error, STORE_REASON_CHARACTERS)}") from error


def _wait_for_no_disk(connection: Any, _: object) -> None:
    """Leave out SQLite's waits for the disk, of which the migrations have hundreds; the whole file gets one."""
    connection.execute("PRAGMA synchronous = OFF")


def _silence_migrations() -> None:
    for name in ("mlflow.store.db.utils", "alembic.runtime.migration"):
        logging.getLogger(name).setLevel(logging.WARNING)

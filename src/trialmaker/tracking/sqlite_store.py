"""An MLflow store in SQLite: made, brought up to date, marked."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import mlflow
import mlflow.store.db.utils
from alembic.util import CommandError
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import URL, create_engine
from sqlalchemy.exc import SQLAlchemyError

from trialmaker.errors import UserError

PRUNED_TAG = "trialmaker.pruned"


class DatabaseError(Exception):
    """A store can't be made or brought up to date; one line."""


def create(file: Path) -> None:
    """Make a store under another name first: MLflow's migrations take seconds, and cannot be gone on with after a kill.

    Two processes that make one at once break it too; call it under a lock. Artifacts go beside it.

    Raises:
        DatabaseError: it cannot be written.
    """
    _be_quiet()
    for old in file.parent.glob(f".{file.name}.new*"):
        old.unlink()
    new = file.with_name(f".{file.name}.new")
    try:
        SqlAlchemyStore(f"sqlite:///{new}", (file.parent / "mlartifacts").absolute().as_uri())._dispose_engine()
    except (MlflowException, SQLAlchemyError) as error:
        raise DatabaseError(_line(error)) from error
    new.rename(file)


def migrate(file: Path) -> None:
    """Bring a store's schema to that of this MLflow.

    Raises:
        DatabaseError: it is that of a newer one, or is damaged.
    """
    _be_quiet()
    engine = create_engine(URL.create("sqlite", database=str(file)))
    try:
        mlflow.store.db.utils._upgrade_db(engine)
    except CommandError as error:
        raise DatabaseError(f"was written by a newer MLflow: {error}; this is MLflow {mlflow.__version__}") from error
    except (MlflowException, SQLAlchemyError) as error:
        raise DatabaseError(f"cannot be brought up to date: {_line(error)}") from error
    finally:
        engine.dispose()


def mark_pruned(file: Path, run_id: str, models: Sequence[str]) -> None:
    """Say in a store that a run's artifacts have been removed.

    Raises:
        UserError: the store can't be written.
    """
    try:
        client = mlflow.MlflowClient(f"sqlite:///{file}")
        client.set_tag(run_id, PRUNED_TAG, datetime.now(UTC).isoformat(timespec="seconds"))
        for model in models:
            client.delete_logged_model(model)
    except MlflowException as error:
        raise UserError(f"{file}: cannot be written: {_line(error)}") from error


def _be_quiet() -> None:
    for name in ("mlflow.store.db.utils", "alembic.runtime.migration"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _line(error: Exception) -> str:
    """SQLAlchemy's messages go on for many."""
    return str(error).strip().splitlines()[0][:200]

"""An MLflow store in SQLite: made, and brought up to date."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import mlflow
import mlflow.store.db.utils
from alembic.util import CommandError
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import create_engine

from trialmaker.errors import UserError

PRUNED_TAG = "trialmaker.pruned"


class UnknownRevisionError(Exception):
    """The store's schema is none that this MLflow knows."""


def make(file: Path) -> None:
    """Make a store under another name first: MLflow's migrations take seconds, and cannot be gone on with after a kill.

    Two processes that make one at once break it too; call it under a lock. Artifacts go beside it.
    """
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
    for old in file.parent.glob(f".{file.name}.new*"):
        old.unlink()
    new = file.with_name(f".{file.name}.new")
    SqlAlchemyStore(f"sqlite:///{new}", (file.parent / "mlartifacts").as_uri())._dispose_engine()
    new.rename(file)


def migrate(file: Path) -> None:
    """Bring a store's schema to that of this MLflow.

    Raises:
        UnknownRevisionError: it is that of a newer one.
    """
    for name in ("mlflow.store.db.utils", "alembic.runtime.migration"):
        logging.getLogger(name).setLevel(logging.WARNING)
    engine = create_engine(f"sqlite:///{file}")
    try:
        mlflow.store.db.utils._upgrade_db(engine)
    except CommandError as error:
        raise UnknownRevisionError(f"{error}; this is MLflow {mlflow.__version__}") from error
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
        raise UserError(f"{file}: cannot be written: {' '.join(str(error).split())[:200]}") from error

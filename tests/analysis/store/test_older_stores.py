"""Stores of older versions of MLflow, which are migrated before a merge."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import mlflow.store.db.utils
import pytest
import sqlalchemy

from support.outputs import create_store, file_digests, merge_outputs, read_runs, start_run
from trialmaker.analysis.store import outputs


@contextmanager
def revision(file: Path, number: str) -> Iterator[sqlite3.Connection]:
    """Create a store with the schema of an older MLflow."""
    from alembic import command

    file.parent.mkdir()
    engine = sqlalchemy.create_engine(f"sqlite:///{file}")
    mlflow.store.db.utils.InitialBase.metadata.create_all(engine)
    config = mlflow.store.db.utils._get_alembic_config(str(engine.url))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, number)
    engine.dispose()
    with closing(sqlite3.connect(file)) as connection:
        yield connection
        connection.commit()


@pytest.mark.parametrize("number", ["89d4b8295536", "0584bdc529eb"], ids=["MLflow 1.1", "MLflow 2.20"])
def test_a_store_of_an_older_mlflow(tmp_path: Path, number: str) -> None:
    place = tmp_path / "old"
    with revision(place / "mlflow.db", number) as connection:
        connection.execute("INSERT INTO experiments VALUES (7, 'old', '/gone/mlruns/7', 'active')"
                           if number == "89d4b8295536" else
                           "INSERT INTO experiments VALUES (7, 'old', '/gone/mlruns/7', 'active', 1, 1)")  # fmt: skip
        connection.execute(
            "INSERT INTO runs (run_uuid, name, status, start_time, end_time, lifecycle_stage, artifact_uri, "
            "experiment_id, user_id) "
            "VALUES ('r1', 'first', 'FINISHED', 1000, 2000, 'active', '/gone/mlruns/7/r1/artifacts', 7, 'me')"
        )
        connection.execute("INSERT INTO params VALUES ('learning_rate', '0.1', 'r1')")
        for table in ("metrics", "latest_metrics"):
            names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            row = {"key": "val_accuracy", "value": 0.9, "timestamp": 5, "step": 3, "is_nan": 0, "run_uuid": "r1"}
            connection.execute(f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?, ?)", [row[name] for name in names])
    (place / "mlruns" / "7" / "r1" / "artifacts").mkdir(parents=True)
    (place / "mlruns" / "7" / "r1" / "artifacts" / "a.txt").write_text("a")
    before = file_digests(place)
    assert merge_outputs([place], tmp_path / "store").skipped == []
    (run,) = read_runs(tmp_path / "store" / "mlflow.db").values()
    assert (run["experiment"], run["params"], list(run["artifacts"])) == ("old", {"learning_rate": "0.1"}, ["a.txt"])
    assert run["metrics"] == {"val_accuracy": [(3, 5, 0.9)]}
    assert file_digests(place) == before


def test_a_merged_store_of_another_mlflow_is_migrated(tmp_path: Path) -> None:
    run = start_run(create_store(tmp_path / "place"))
    merge_outputs([tmp_path / "place"], tmp_path / "store")
    (tmp_path / "store" / "mlflow.db").unlink()
    with revision(tmp_path / "older" / "mlflow.db", "0584bdc529eb") as connection:
        connection.execute("INSERT INTO experiments VALUES (0, 'Default', '/x', 'active', 1, 1)")
    (tmp_path / "older" / "mlflow.db").rename(tmp_path / "store" / "mlflow.db")
    (tmp_path / "store" / outputs.MARKER_FILE).write_text("3.0.0")
    merge_outputs([tmp_path / "place"], tmp_path / "store")
    assert list(read_runs(tmp_path / "store" / "mlflow.db")) == [run]

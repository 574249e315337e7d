"""A store that refuses: found before the first step, and what the line says of it."""

import os
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import mlflow
import pytest

from support.entry import PROJECT, SMALL, Result, Train
from support.outputs import empty_store
from trialmaker.errors import UserError
from trialmaker.tracking import client, refusals
from trialmaker.tracking.client import Tracker
from trialmaker.tracking.delivery import Delivery
from trialmaker.tracking.journal import Journal, read_records
from trialmaker.tracking.messages import Metrics, Start
from trialmaker.tracking.open_journal import open_journal
from trialmaker.tracking.places import RunPlace

OTHER = "or choose another store: tracking.uri=…, null for the output's own, or another output=…"


@contextmanager
def changed(store: Path, *statements: str) -> Iterator[None]:
    """A store after these statements, whose connection stays open inside."""
    with closing(sqlite3.connect(store, isolation_level=None)) as database:
        for statement in statements:
            database.execute(statement)
        yield


def deleted(store: Path) -> "contextmanager":
    values = "(7, 'e', '/x', 'deleted', 0, 0, 'default')"
    fields = "experiment_id, name, artifact_location, lifecycle_stage, creation_time, last_update_time, workspace"
    return changed(store, f"INSERT INTO experiments ({fields}) VALUES {values}")


def test_a_database_that_refuses_is_found_while_the_training_starts(tmp_path: Path) -> None:
    store = tmp_path / "mlflow.db"
    store.write_bytes(empty_store())
    start = Start(None, tmp_path, "e", "run", tmp_path, PROJECT, {}, "", 2.0)
    with deleted(store), pytest.raises(UserError) as caught, Tracker(start) as tracker:
        tracker.patience = 60
        tracker.wait_for_store(60)
    tracker.connection.close()
    assert not (tmp_path / "tracking.jsonl").exists()
    assert str(caught.value) == (
        f"MLflow tracking at sqlite:///{store} failed: the experiment e is deleted: MLFLOW_TRACKING_URI="
        f"sqlite:///{store} mlflow experiments restore --experiment-id 7 restores it; or tracking.experiment=…"
    )


def test_a_run_that_goes_on_is_not_refused_but_recorded_later(tmp_path: Path) -> None:
    store = tmp_path / "mlflow.db"
    store.write_bytes(empty_store())
    start = Start(None, tmp_path, "e", "run", tmp_path, PROJECT, {}, "", 2.0, run_key="k")
    with closing(open_journal(start)) as earlier:  # whose delivery was killed before it had begun
        earlier.append(Metrics(1, {"loss": 1.0}), "epoch 1")
    with deleted(store), Tracker(start, deadline=0.0) as tracker:
        tracker.patience = 60
        tracker.wait_for_store(60)
        tracker.send(Metrics(2, {"loss": 0.5}))
    assert "the experiment e is deleted" in tracker.undelivered
    tracker.connection.close()
    with changed(store, "DELETE FROM experiments WHERE experiment_id = 7"):
        pass
    Delivery(RunPlace(tmp_path, tmp_path)).deliver()
    (run,) = Result(0, "", "", tmp_path).runs()
    points = mlflow.MlflowClient(f"sqlite:///{store}").get_metric_history(run.info.run_id, "loss")
    assert [(point.step, point.value) for point in points] == [(1, 1.0), (2, 0.5)]


def test_a_journal_that_was_there_outlives_a_refusal(tmp_path: Path) -> None:
    store = tmp_path / "mlflow.db"
    store.write_bytes(empty_store())
    start = Start(None, tmp_path, "e", "run", tmp_path, PROJECT, {}, "", 2.0, run_key="k")
    with closing(Journal(tmp_path, tmp_path)) as journal:
        journal.append(start)  # and no attempt, as of a process that was killed then
    with deleted(store), pytest.raises(UserError, match="is deleted"), Tracker(start) as tracker:
        tracker.patience = 60
        tracker.wait_for_store(60)
    tracker.connection.close()
    types = [position.record["type"] for position in read_records(tmp_path / "tracking.jsonl")]
    assert types == ["start", "attempt", "end"]


def test_a_database_that_is_damaged_is_set_aside_and_the_run_recorded_in_a_new_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = tmp_path / "mlflow.db"
    store.write_bytes(empty_store()[:4096] + os.urandom(200_000))
    with Tracker(Start(None, tmp_path, "e", "run", tmp_path, PROJECT, {}, "", 2.0)) as tracker:
        pass
    tracker.connection.close()
    (line,) = caplog.messages
    assert line.startswith(f"{store} is damaged (database disk image is malformed): a new store takes its place, and")
    assert [run.info.status for run in Result(0, "", "", tmp_path).runs()] == ["FINISHED"]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            ValueError("Detected out-of-date database schema (found version 451aebb31d03, but expected x). NOTE: of"),
            "ValueError: Detected out-of-date database schema (found version 451aebb31d03, but expected x); its tables"
            f" are of an older MLflow: mlflow db upgrade, with this address, renews them, {OTHER}",
        ),
        (
            OSError("(sqlite3.OperationalError) unable to open database file\n(Background on this error at: x)"),
            "OSError: (sqlite3.OperationalError) unable to open database file; the file and its folder must be there"
            f" and writable; make them so, {OTHER}",
        ),
        (ValueError("out-of-date database schema (found version ffffffffffff, but"), "; its tables are of a newer ML"),
        (OSError("attempt to write a readonly database [SQL: INSERT]"), f"; make them so, {OTHER}"),
        (ValueError("error code 404 != 200. Response body: 'no'"), "; no MLflow server answers at this address: corr"),
        (ValueError("something else"), f"ValueError: something else; {OTHER.removeprefix('or ')}"),
    ],
)
def test_each_reason_has_its_way_on(error: Exception, text: str) -> None:
    assert text in refusals.explain(error)


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("(sqlite3.OperationalError) database is locked", True),
        ("API request to endpoint /x failed with error code 503 != 200. Response body: 'no'", True),
        ("Max retries exceeded with url: /api (Caused by NewConnectionError: [Errno 111] Connection refused)", True),
        ("host: [Errno -3] Temporary failure in name resolution", True),
        ("host: [Errno -2] Name or service not known", False),
        ("API request to endpoint /x failed with error code 401 != 200. Response body: 'no'", False),
        ("API request to endpoint /x failed with error code 404 != 200. Response body: 'no'", False),
        ("(sqlite3.DatabaseError) file is not a database", False),
    ],
)
def test_what_may_pass_does_not_end_a_training(text: str, passes: bool) -> None:
    assert refusals.is_passing(ValueError(text)) is passes


def test_an_address_from_which_nothing_comes_back_is_no_wait_of_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "CONNECT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        waiting = [socket.socket() for _ in range(4)]  # more than the queue of a server that accepts none
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", server.getsockname()[1]))
        with pytest.raises(UserError, match=r"^127\.0\.0\.1: timed out$"):
            refusals.check_reachable(f"http://{address}")
        for one in waiting:
            one.close()


class Refusing(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(401)

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.usefixtures("patient")
def test_a_server_that_wants_a_name_ends_a_run_before_its_first_step(train: Train) -> None:
    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        result = train(*SMALL, f"tracking.uri=http://me:secret@127.0.0.1:{server.server_port}")
        server.shutdown()
    assert result.code == 2 and "epoch=" not in result.out
    (line,) = result.err.splitlines()
    assert "error code 401" in line and "secret" not in line
    assert "; the server wants to know who you are: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD" in line


@pytest.mark.usefixtures("patient")
def test_a_study_ends_before_its_first_trial_and_begins_with_it_the_next_time(train: Train) -> None:
    study = ("sweeps=mlp", "data=digits", "training.max_examples=256", "training.epochs=1", "hydra.sweeper.n_trials=2")
    result = train(*study, "tracking.uri=nonsense://x")
    assert result.code == 2 and "trial 0" not in result.out
    assert result.err.startswith("train.py: error: MLflow tracking at nonsense://x failed: ")
    assert (result.output / "failure").read_text().startswith("MLflow tracking at nonsense://x failed: ")
    result = train(*study)
    assert result.code == 0, result.err
    states = [run.data.tags["trialmaker.trial_state"] for run in result.runs() if "trialmaker.trial" in run.data.tags]
    assert len(states) == 2 and set(states) <= {"COMPLETE", "PRUNED"}


def test_a_server_that_is_away_costs_the_record_alone(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "END_SECONDS", 0.1)
    result = train(*SMALL, "tracking.uri=http://me:secret@127.0.0.1:9")
    assert (result.code, result.err) == (0, "")
    away, left = [line for line in result.out.splitlines() if line.startswith("MLflow ")]
    reason = "nothing listens at its address"
    assert away == f"MLflow does not answer ({reason}); its record is kept in the run's directory until it does"
    assert left.endswith(f"({reason}): python -m trialmaker sync {result.output} delivers the rest")
    (journal,) = result.output.glob("logs/*/tracking.jsonl")
    types = [position.record["type"] for position in read_records(journal)]
    assert types.count("metrics") >= 3 and types[-2:] == ["best_model", "end"]
    assert "secret" not in journal.read_text() + result.out

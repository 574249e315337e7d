"""The delivery of journals: MLflow has each record once, whatever was killed in between."""

import json
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import mlflow
import numpy as np
import pytest

from support.entry import PROJECT, SMALL, Result, Train
from support.outputs import empty_store
from support.waiting import HANG_SECONDS, wait_until
from trialmaker.tracking import backoff, connection
from trialmaker.tracking.client import Tracker
from trialmaker.tracking.delivery import Delivery
from trialmaker.tracking.delivery_lock import DeliveryBusy, delivery_lock
from trialmaker.tracking.delivery_state import DeliveryState
from trialmaker.tracking.insistence import Insistence, StoreAway
from trialmaker.tracking.journal import Journal, read_records
from trialmaker.tracking.journal_news import News
from trialmaker.tracking.messages import BestModel, DataUsed, End, Message, Metrics, Params, Predictions, Start
from trialmaker.tracking.places import RunPlace
from trialmaker.training.events import EpochDone, StepsMean

TIMES = {"last_update_time", "last_updated_timestamp_ms", "last_updated_timestamp"}


@pytest.fixture
def place(tmp_path: Path) -> RunPlace:
    directory = tmp_path / "output" / "logs" / "run"
    directory.mkdir(parents=True)
    (tmp_path / "output" / "mlflow.db").write_bytes(empty_store())
    return RunPlace(directory, tmp_path / "output")


def write(place: RunPlace, *messages: Message) -> None:
    start = Start(None, place.output, "e", "run", place.directory, PROJECT, {"seed": "0"}, "a: 1\n", 2.0)
    journal = Journal(place.directory, place.output)
    if journal.head is None:
        journal.append(start)
    journal.append_attempt()
    for message in messages:
        journal.append(message)
    journal.close()


def whole_run(place: RunPlace) -> list[Message]:
    model = place.output / "model" / "1"
    model.mkdir(parents=True)
    (model / "saved_model.pb").write_bytes(b"model")
    labels = np.arange(6, dtype=np.int32) % 3
    probabilities = np.eye(3, dtype=np.float32)[(labels + (labels == 2)) % 3]
    images = {2: np.zeros((8, 8, 1), np.uint8), 5: np.zeros((8, 8, 1), np.uint8)}
    epochs = [{"loss": 1 / at, "accuracy": 0.5, "val_loss": 1.0, "val_accuracy": 0.1 * at} for at in (1, 2, 3)]
    return [
        DataUsed("digits", "here", "abc", {"train": 5}, (8, 8, 1)),
        Params({"effective_batch_size": "5"}),
        *(Metrics(at, values | {"learning_rate": 0.1}) for at, values in enumerate(epochs, 1)),
        Metrics(3, {"step_loss": float("nan"), "step_accuracy": float("inf")}),
        Metrics(3, {"test_accuracy": 0.5}),
        Predictions(3, images, labels, probabilities, ("a", "b", "c")),
        BestModel(model, 3, np.ones((1, 8, 8, 1), np.float32), 3),
        End("FINISHED"),
    ]


def tables(place: RunPlace) -> dict[str, list[tuple]]:
    """All that the store holds, but for when it was last written to."""
    with closing(sqlite3.connect(place.output / "mlflow.db")) as database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        content = {}
        for name in names:
            columns = [row[1] for row in database.execute(f"PRAGMA table_info({name})") if row[1] not in TIMES]
            content[name] = sorted(database.execute(f"SELECT {', '.join(columns)} FROM {name}"), key=repr)
        return content


def test_what_is_delivered_again_is_there_once(place: RunPlace) -> None:
    """As after a kill between MLflow's writes and the note of them, at each of several records."""
    write(place, *whole_run(place))
    path = place.directory / "tracking.state.json"
    Delivery(place).deliver()
    before, state = tables(place), path.read_text()
    ends = [0, *(position.end for position in read_records(place.journal))]
    for offset in (0, ends[4], ends[-3]):
        path.write_text(json.dumps(json.loads(state) | {"offset": offset, "is_ended": False}))
        delivery = Delivery(place)
        delivery.deliver()
        assert tables(place) == before and delivery.is_complete
        assert path.read_text() == state
    (run,) = Result(0, "", "", place.output).runs()
    (model,) = run.outputs.model_outputs
    assert (run.info.status, model.step, run.data.params["effective_batch_size"]) == ("FINISHED", 3, "5")
    times = {position.record["time"] for position in read_records(place.journal)}
    client = mlflow.MlflowClient(place.store)
    points = client.get_metric_history(run.info.run_id, "val_accuracy")
    assert [point.step for point in points] == [1, 2, 3] and {point.timestamp for point in points} <= times


@pytest.mark.parametrize("state", ['{"store": "", "is_cre', json.dumps(vars(DeliveryState(is_creating=True)))])
def test_a_run_whose_id_was_lost_is_not_made_twice(place: RunPlace, state: str) -> None:
    write(place, *whole_run(place))
    Delivery(place).deliver()
    before = tables(place)
    (place.directory / "tracking.state.json").write_text(state)
    Delivery(place).deliver()
    assert tables(place) == before


def test_a_further_attempt_goes_on_in_the_same_run(place: RunPlace) -> None:
    write(place, Metrics(1, {"loss": 1.0}), End("KILLED", "by hand"))
    Delivery(place).deliver()
    (run,) = Result(0, "", "", place.output).runs()
    assert (run.info.status, run.data.tags["trialmaker.end"]) == ("KILLED", "by hand")
    write(place, Metrics(2, {"loss": 0.5}), End("FINISHED"))
    Delivery(place).deliver()
    (again,) = Result(0, "", "", place.output).runs()
    assert (again.info.run_id, again.info.status, again.data.metrics["loss"]) == (run.info.run_id, "FINISHED", 0.5)
    assert "trialmaker.end" not in again.data.tags


def test_an_attempt_that_has_recorded_nothing_yet_is_delivered(place: RunPlace) -> None:
    write(place, Metrics(1, {"loss": 1.0}))
    killed = Delivery(place)
    killed._begin()
    assert killed._deliver_news()  # and no end: its process was killed then
    write(place)
    Delivery(place).deliver()
    (run,) = Result(0, "", "", place.output).runs()
    assert (run.info.status, run.data.metrics["loss"]) == ("KILLED", 1.0)


def test_a_run_without_an_end_is_killed_at_its_last_record(place: RunPlace) -> None:
    write(place, Metrics(1, {"loss": 1.0}))
    *_, last = read_records(place.journal)
    time.sleep(0.01)
    Delivery(place).deliver()
    (run,) = Result(0, "", "", place.output).runs()
    assert (run.info.status, run.info.end_time) == ("KILLED", last.record["time"])
    assert run.data.tags["trialmaker.end"] == "the process vanished"


def test_a_run_has_one_deliverer_at_a_time(place: RunPlace) -> None:
    write(place, End("FINISHED"))
    with delivery_lock(place, threading.Event()), pytest.raises(DeliveryBusy, match="another process delivers it"):
        Delivery(place).deliver()


def test_a_damaged_record_costs_itself_alone(place: RunPlace) -> None:
    messages = whole_run(place)
    write(place, *messages)
    (place.directory / "tracking.predictions-3.npz").write_bytes(b"PK")
    Delivery(place).deliver()
    (run,) = Result(0, "", "", place.output).runs()
    assert run.info.status == "FINISHED" and run.outputs.model_outputs


def test_an_attempt_adds_what_the_ones_before_lack(tmp_path: Path) -> None:
    start = Start(None, tmp_path, "e", "run", tmp_path, PROJECT, {}, "", 2.0)
    epochs = [EpochDone(at, {"val_loss": float(at)}) for at in (1, 2)]
    tracker = Tracker(start)
    assert not tracker.has(epochs[0])
    tracker(epochs[0])
    tracker(StepsMean(2, 1.0, 0.5))
    assert not tracker.has(epochs[0])  # it is of this attempt
    with pytest.raises(KeyboardInterrupt), tracker:
        raise KeyboardInterrupt
    with Tracker(start) as tracker:
        assert tracker.has(epochs[0]) and tracker.has(StepsMean(2, 9.0, 0.5)) and not tracker.has(epochs[1])
        for epoch in epochs:
            tracker(epoch)
        run_id = tracker.run_id
    tracker.connection.close()
    (run,) = Result(0, "", "", tmp_path).runs()
    assert (run.info.run_id, run.info.status) == (run_id, "FINISHED")
    points = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db").get_metric_history(run_id, "val_loss")
    assert [point.value for point in points] == [1.0, 2.0]


def test_the_directory_of_another_run_is_taken_over(tmp_path: Path) -> None:
    for name in ("first", "second"):
        with Tracker(Start(None, tmp_path, "e", name, tmp_path, PROJECT, {}, "", 2.0)) as tracker:
            tracker.send(Metrics(1, {"loss": 1.0}))
    tracker.connection.close()
    assert {run.info.run_name for run in Result(0, "", "", tmp_path).runs()} == {"first", "second"}
    assert (tmp_path / "earlier-1" / "tracking.jsonl").exists()


def test_a_tracking_process_that_is_killed_again_and_again_costs_nothing(train: Train, tmp_path: Path) -> None:
    """Before its run is there, and while it delivers: the run's epochs, and its figures and model."""
    output = tmp_path / "output"

    def kill() -> None:
        wait_until(lambda: any(one.is_open for one in connection._connections))
        (current,) = connection._connections
        process = current.process
        process.kill()
        wait_until(lambda: current.process is not process)

    def kill_thrice() -> None:
        wait_until(lambda: any(output.glob("logs/*/tracking.jsonl")))
        kill()
        wait_until(lambda: any(output.glob("logs/*/tracking.state.json")))
        kill()
        wait_until(lambda: '"best_model"' in next(output.glob("logs/*/tracking.jsonl")).read_text())
        kill()

    killer = threading.Thread(target=kill_thrice)
    killer.start()
    result = train(*SMALL, "training.epochs=300")
    killer.join()
    assert result.code == 0, result.err
    assert result.out.count("the tracking process ended (SIGKILL, perhaps for want of memory); another one") == 3
    (run,) = result.runs()
    assert run.info.status == "FINISHED" and len(run.outputs.model_outputs) == 1
    client = mlflow.MlflowClient(f"sqlite:///{output}/mlflow.db")
    points = client.get_metric_history(run.info.run_id, "val_loss")
    assert [point.step for point in points] == list(range(1, 301))
    assert len(client.search_logged_models([run.info.experiment_id])) == 1
    assert "pictures" in {file.path for file in client.list_artifacts(run.info.run_id)}


def test_nothing_waits_for_a_store_when_the_journal_was_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "FIRST_PAUSE_SECONDS", HANG_SECONDS)

    def refuse() -> None:
        raise OSError("disk I/O error")

    began = time.monotonic()
    pauses, removed = backoff.Backoff(threading.Event()), tmp_path / "tracking.jsonl"
    insistence = Insistence(lambda _: None, threading.Event(), pauses, lambda: False, removed, is_away=False)
    with pytest.raises(StoreAway, match="disk I/O error"):
        insistence.insist(refuse)
    assert time.monotonic() - began < HANG_SECONDS / 2


def test_metrics_that_come_fast_are_written_together_and_what_else_comes_at_once(place: RunPlace) -> None:
    start = Start(None, place.output, "e", "run", place.directory, PROJECT, {"seed": "0"}, "a: 1\n", 2.0)
    journal, news, offset = Journal(place.directory, place.output), News(place.journal), 0
    counts = []
    for message in (start, *(Metrics(epoch, {"loss": 1.0}) for epoch in (1, 2, 3, 4)), End("FINISHED")):
        journal.append(message)
        batch = news.read(offset, is_last=False)
        counts.append(len(batch))
        offset = batch[-1].end if batch else offset
    assert counts == [1, 1, 0, 0, 0, 4]
    journal.append(Metrics(5, {"loss": 1.0}))
    assert not news.read(offset, is_last=False)
    assert [one.record["step"] for one in news.read(offset, is_last=True)] == [5]
    journal.close()

"""The journal of a run: what is appended is read back, whatever was torn, and whoever wrote it."""

import json
import math
import multiprocessing
import os
import resource
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from optuna_sweep.process_identity import this_process
from trialmaker.tracking.journal import Journal, JournalBusy, head, is_held, last_attempt, read_records
from trialmaker.tracking.journal_messages import RecordError, from_record
from trialmaker.tracking.messages import (
    BestModel,
    DataUsed,
    End,
    Message,
    Metrics,
    Params,
    Predictions,
    Start,
    StudyDone,
)
from trialmaker.tracking.open_journal import open_journal

OPEN: list[Journal] = []


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "output" / "logs" / "run"
    directory.mkdir(parents=True)
    return directory


def start_of(directory: Path, **fields: object) -> Start:
    output = directory.parents[1]
    start = Start(None, output, "e", "run", directory, directory, {"seed": "0"}, "a: 1\n", 2.0, run_key="k")
    return replace(start, **fields)


def journal_of(directory: Path) -> Journal:
    OPEN.append(Journal(directory, directory.parents[1]))
    return OPEN[-1]


@pytest.fixture(autouse=True)
def _journals_are_closed() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().close()


def read_back(directory: Path) -> list[Message]:
    start = head(directory / "tracking.jsonl")
    records = [position.record for position in read_records(directory / "tracking.jsonl")]
    return [from_record(record, directory, None, start) for record in records]


def test_messages_are_read_back_as_they_were(directory: Path) -> None:
    start = start_of(
        directory, study="s", trial=3, tags={"team": "a"}, note="why", versions={"keras": "3"}, withheld="w"
    )
    values = {"loss": math.nan, "up": math.inf, "down": -math.inf, "third": 1 / 3, "small": 5e-324}
    messages = [
        start,
        DataUsed("digits", "sklearn", "abc", {"train": 5}, (28, 28, 1)),
        Params({"effective_batch_size": "5"}),
        Metrics(1, values),
        StudyDone(start, "sqlite:///study.db", {"test_accuracy": 0.5}, None),
        End("KILLED", "by hand", is_pruned=True),
    ]
    journal = journal_of(directory)
    for message in messages:
        assert journal.append(message)
    journal.close()
    assert repr(read_back(directory)) == repr(messages)


def test_scalars_of_numpy_are_plain_values(directory: Path) -> None:
    journal = journal_of(directory)
    journal.append(Metrics(np.int64(1), {"loss": np.float32(0.5)}))
    journal.append(End("KILLED", is_pruned=np.bool_(True)))
    journal.close()
    assert read_back(directory) == [Metrics(1, {"loss": 0.5}), End("KILLED", is_pruned=True)]


def test_arrays_lie_in_files_beside_it(directory: Path) -> None:
    journal, output = journal_of(directory), directory.parents[1]
    images = {7: np.full((2, 2, 1), 9, np.uint8), 2: np.zeros((3, 2, 1), np.uint8)}
    labels, probabilities = np.array([0, 1, 1, 0], np.int32), np.random.default_rng(0).random((4, 2), np.float32)
    example = np.ones((1, 2, 2, 1), np.float32)
    journal.append(start_of(directory))
    journal.append(Predictions(3, images, labels, probabilities, ("a", "b"), output / "tensorboard" / "run"))
    journal.append(BestModel(output / "model" / "1", 3, example, 2))
    journal.close()
    _, predictions, model = read_back(directory)
    assert isinstance(predictions, Predictions) and isinstance(model, BestModel)
    assert list(predictions.images) == [7, 2]
    for index, image in images.items():
        np.testing.assert_array_equal(predictions.images[index], image)
    np.testing.assert_array_equal(predictions.labels, labels)
    np.testing.assert_array_equal(predictions.probabilities, probabilities)
    np.testing.assert_array_equal(model.example, example)
    assert (model.directory, predictions.event_directory) == (output / "model" / "1", output / "tensorboard" / "run")
    assert predictions.class_names == ("a", "b")


def test_an_id_that_is_there_is_not_appended_again(directory: Path) -> None:
    journal = journal_of(directory)
    assert journal.append(Metrics(1, {"loss": 1.0}), "epoch 1")
    first = (directory / "tracking.jsonl").read_bytes()
    assert not journal.append(Metrics(1, {"loss": 2.0}), "epoch 1")
    journal.close()
    journal = journal_of(directory)
    assert journal.has("epoch 1") and journal.earlier_ids == {"epoch 1"}
    assert not journal.append(Metrics(1, {"loss": 3.0}), "epoch 1")
    assert (directory / "tracking.jsonl").read_bytes() == first
    assert journal.append(Metrics(2, {"loss": 1.0}), "epoch 2") and journal.earlier_ids == {"epoch 1"}


def test_a_torn_line_is_not_read_and_cut_off(directory: Path) -> None:
    journal, path = journal_of(directory), directory / "tracking.jsonl"
    journal.append(Metrics(1, {"loss": 1.0}), "epoch 1")
    journal.close()
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"type": "metrics", "id": "epoch 2", "va')
    assert [position.end for position in read_records(path)] == [len(whole)]
    journal = journal_of(directory)
    assert path.read_bytes() == whole and not journal.has("epoch 2")
    journal.append(Metrics(2, {"loss": 1.0}), "epoch 2")
    (second,) = read_records(path, len(whole))
    assert second.record["id"] == "epoch 2"


def test_a_journal_has_one_writer_at_a_time(directory: Path) -> None:
    path = directory / "tracking.jsonl"
    assert not is_held(path)
    journal = journal_of(directory)
    assert is_held(path)
    with pytest.raises(JournalBusy, match="another process works on this run"):
        journal_of(directory)
    journal.close()
    assert not is_held(path)
    journal_of(directory).close()


def test_an_attempt_names_its_process(directory: Path) -> None:
    journal = journal_of(directory)
    assert last_attempt(journal.path) is None
    journal.append_attempt()
    identity = last_attempt(journal.path)
    assert identity == this_process() and identity.is_alive()
    assert replace(identity, began=1.0).is_alive() is False
    assert replace(identity, host="elsewhere").is_alive() is None


def test_a_start_and_its_attempt_are_one_write(directory: Path) -> None:
    start = start_of(directory)
    journal = open_journal(start)
    OPEN.append(journal)
    assert (journal.head, journal.is_new) == (start, True)
    journal.close()
    assert last_attempt(journal.path) == this_process()
    again = open_journal(start)
    OPEN.append(again)
    assert not again.is_new and again.head and again.head.run_key == "k"
    again.close()
    assert [position.record["type"] for position in read_records(journal.path)] == ["start", "attempt", "attempt"]


@pytest.mark.parametrize("changes", [{"trial": math.inf}, {"system_metrics_seconds": 10**400}, {"params": 1}])
def test_a_start_of_strangers_is_none(directory: Path, changes: dict) -> None:
    with closing(journal_of(directory)) as journal:
        journal.append(start_of(directory))
    (position,) = read_records(journal.path)
    journal.path.write_text(json.dumps(position.record | changes) + "\n")
    assert head(journal.path) is None


def fill(directory: Path) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    journal = journal_of(directory)
    try:
        for step in range(100):
            journal.append(Metrics(step, {"loss": 1.0}), f"step {step}")
    except OSError:
        os._exit(17)


def test_what_has_no_room_is_an_error_and_leaves_whole_lines(directory: Path) -> None:
    process = multiprocessing.get_context("fork").Process(target=fill, args=(directory,))
    process.start()
    process.join()
    assert process.exitcode == 17
    content = (directory / "tracking.jsonl").read_bytes()
    steps = [json.loads(line)["step"] for line in content.splitlines()]
    assert steps == list(range(len(steps))) and len(steps) > 5 and content.endswith(b"\n")


def test_the_head_says_what_the_run_is_and_keeps_no_password(directory: Path) -> None:
    assert head(directory / "tracking.jsonl") is None
    journal = journal_of(directory)
    assert journal.head is None
    journal.append(start_of(directory, uri="http://me:hunter2@host", study="s", trial=0))
    journal.append(StudyDone(start_of(directory), "postgresql://me:hunter2@host/db", {}, "val_loss"))
    journal.close()
    start = head(directory / "tracking.jsonl")
    assert start and (start.run_key, start.params, start.study, start.trial) == ("k", {"seed": "0"}, "s", 0)
    assert (start.uri, start.output) == ("http://***@host", directory.parents[1])
    assert b"hunter2" not in (directory / "tracking.jsonl").read_bytes()


@pytest.mark.parametrize(
    "line",
    [
        "",
        "null",
        "[1]",
        '{"type": 3, "time": 1}',
        '{"type": "end"}',
        "[" * 100_000,
        "\x00\xff",
        '{"type":"end","time":1e9}',
        '{"type":"end","time":1' + "0" * 400 + "}",
        '{"type":"end","time":-1}',
    ],
)
def test_lines_that_are_no_records_are_passed_over(directory: Path, line: str) -> None:
    journal, path = journal_of(directory), directory / "tracking.jsonl"
    with path.open("a", encoding="latin-1") as file:
        file.write(line + "\n")
    journal.append(Metrics(1, {}), "epoch 1")
    assert [position.record.get("id") for position in read_records(path)] == ["epoch 1"]


@pytest.mark.parametrize(
    "changes",
    [
        {"directory": "../../../../etc"},
        {"directory": "/etc"},
        {"directory": "link"},
        {"arrays": "../tracking.best_model-1.npz"},
        {"arrays": "link.npz"},
        {"arrays": "pickled.npz"},
        {"arrays": "tracking.jsonl"},
        {"arrays": None},
        {"type": "launch"},
        {"epoch": "x"},
    ],
)
def test_a_record_of_strangers_reads_nothing_elsewhere_and_runs_nothing(directory: Path, changes: dict) -> None:
    output = directory.parents[1]
    (output / "link").symlink_to("/etc")
    (directory / "link.npz").symlink_to(directory / "tracking.best_model-1.npz")
    np.savez(directory / "pickled.npz", example=np.array([Path("x")], object))
    journal = journal_of(directory)
    journal.append(BestModel(output / "model" / "1", 1, np.zeros(1, np.float32), 2))
    (position,) = read_records(journal.path)
    assert isinstance(from_record(position.record, directory, output), BestModel)
    with pytest.raises(RecordError, match="cannot be read"):
        from_record(position.record | changes, directory, output)

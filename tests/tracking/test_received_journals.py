"""Journals of strangers: what their links, files and stores make a delivery read and write."""

import json
import os
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from support.entry import Result
from support.journals import dead_journal, write_journal
from support.outputs import create_store
from trialmaker.tracking import dead_studies, journal, recovery
from trialmaker.tracking.delivery_state import DeliveryState
from trialmaker.tracking.journal_messages import RecordError, from_record
from trialmaker.tracking.messages import BestModel, Predictions
from trialmaker.tracking.output_journals import find_outputs, journals

SECRET = "PRIVATE KEY"


@pytest.fixture
def output(tmp_path: Path) -> Path:
    create_store(tmp_path / "V0001")
    return tmp_path / "V0001"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder of the reader's own, with a file that nobody else should read or write."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "profile").write_text(SECRET)
    return tmp_path / "home"


def lines_of_recovery(output: Path) -> list[str]:
    lines: list[str] = []
    recovery.recover(output, (), lines.append)
    return lines


def link(name: str) -> Callable[[Path, Path], None]:
    def make(run: Path, home: Path) -> None:
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).symlink_to(home / "profile")

    return make


def pipe(run: Path, _: Path) -> None:
    os.mkfifo(run / "train.log")


def lock_of_the_store(run: Path, home: Path) -> None:
    (run.parents[1] / ".mlflow.lock").symlink_to(home / "made")


@pytest.mark.parametrize(
    "attack",
    [
        *map(link, ("tracking.log", ".tracking.state.json", "tracking.lock", ".hydra/key", "train.log", "more")),
        *(pipe, lock_of_the_store),
    ],
)
def test_a_run_with_links_is_not_delivered(attack: Callable[[Path, Path], None], output: Path, home: Path) -> None:
    """Its log would be appended to whatever tracking.log leads to, with what the stranger's records say."""
    run = dead_journal(output).parent
    attack(run, home)
    (line,) = lines_of_recovery(output)
    assert "not delivered" in line and "is a link or a pipe" in line
    assert [path.name for path in home.iterdir()] == ["profile"] and (home / "profile").read_text() == SECRET
    assert Result(0, "", "", output).runs() == []


def test_journals_behind_links_are_no_part_of_an_output(output: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    path = dead_journal(own)
    (output / "logs").mkdir()
    (output / "logs" / "run").symlink_to(path.parent)
    (output / "logs" / "two").mkdir()
    (output / "logs" / "two" / path.name).symlink_to(path)
    assert journals(output) == [] and list(find_outputs(output)) == []
    (tmp_path / "V0002").mkdir()
    (tmp_path / "V0002" / "logs").symlink_to(own / "logs")
    assert list(find_outputs(tmp_path / "V0002")) == [tmp_path / "V0002"]
    assert journals(tmp_path / "V0002") == []
    (line,) = lines_of_recovery(tmp_path / "V0002")
    assert line.startswith(f"{tmp_path / 'V0002' / 'logs'}: is a link, so its runs are left out")


def test_a_link_for_the_logs_of_ones_own_output_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "output"
    create_store(own)
    dead_journal(own)
    for name in ("logs", "mlflow.db"):
        (own / name).rename(tmp_path / name)
        (own / name).symlink_to(tmp_path / name)
    monkeypatch.setenv("AI_ROOT", str(tmp_path))
    assert list(find_outputs(own)) == [own]
    (line,) = lines_of_recovery(own)
    assert "not delivered" not in line and "delivered to" in line


def test_a_models_links_are_not_followed(output: Path, home: Path) -> None:
    model = output / "model" / "1"
    (model / "variables").mkdir(parents=True)
    (model / "saved_model.pb").write_text("graph")
    (model / "variables" / "key").symlink_to(home / "profile")
    (model / "folder").symlink_to(home)
    with closing(write_journal(output)) as written:
        written.append(BestModel(model, 1, np.zeros((1, 8, 8, 1), np.float32), 10))
    assert "delivered to" in lines_of_recovery(output)[0]
    names = {path.name: path for path in (output / "mlartifacts").rglob("*") if path.is_file()}
    assert "saved_model.pb" in names and not {"key", "profile"} & names.keys()


def test_an_endless_view_is_one_line(output: Path) -> None:
    dead_journal(output, study="s", trial=0)
    numbers = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)"
    with closing(sqlite3.connect(output / "mlflow.db")) as connection, connection:
        connection.execute("ALTER TABLE tags RENAME TO other")
        connection.execute(f"CREATE VIEW tags AS {numbers} SELECT x AS key, x AS value, x AS run_uuid FROM n")
    assert not dead_studies.may_be_there(output)
    (line,) = lines_of_recovery(output)
    assert line.endswith("holds a view, tags, and not only plain tables")


def test_a_line_without_an_end_is_no_record(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = dead_journal(output)
    count = len(list(journal.read_records(path)))
    with path.open("ab") as file:
        file.write(json.dumps({"type": "metrics", "time": 1, "more": "x" * 5000}).encode() + b"\n")
        file.write(b'{"type": "end", "time": 1}\n')
    monkeypatch.setattr(journal, "MAX_LINE_BYTES", 1000)
    positions = list(journal.read_records(path))
    assert len(positions) == count + 1 and positions[-1].end == path.stat().st_size


def write_arrays(path: Path, compression: int = zipfile.ZIP_STORED, **arrays: np.ndarray) -> None:
    (np.savez_compressed if compression else np.savez)(path, **arrays)


PREDICTIONS = {
    "indices": np.array([0]),
    "image_0": np.zeros((8, 8, 1), np.uint8),
    "labels": np.array([0, 1], np.int32),
    "probabilities": np.full((2, 2), 0.5, np.float32),
}


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({}, ["a", "b", "c"]),
        ({"labels": np.array([0, 2], np.int32)}, ["a", "b"]),
        ({"labels": np.array([-1, 1], np.int32)}, ["a", "b"]),
        ({"labels": np.array([0.0, 1.0])}, ["a", "b"]),
        ({"probabilities": np.zeros((2, 20_000), np.float32)}, [str(number) for number in range(20_000)]),
        ({"labels": np.zeros(0, np.int32), "probabilities": np.zeros((0, 2), np.float32)}, ["a", "b"]),
    ],
)
def test_predictions_that_do_not_fit_are_no_record(changes: dict, names: list[str], tmp_path: Path) -> None:
    record = {"type": "predictions", "epoch": 1, "event_directory": None, "arrays": "x.npz"}
    write_arrays(tmp_path / "x.npz", **PREDICTIONS)
    assert isinstance(from_record(record | {"class_names": ["a", "b"]}, tmp_path), Predictions)
    write_arrays(tmp_path / "x.npz", **(PREDICTIONS | changes))
    with pytest.raises(RecordError):
        from_record(record | {"class_names": names}, tmp_path)


def test_arrays_longer_than_their_file_are_no_record(tmp_path: Path) -> None:
    """17 MB in a file of 17 kB, and a header that tells of more than there is."""
    record = {"type": "best_model", "epoch": 1, "num_classes": 2, "directory": "m", "arrays": "x.npz"}
    write_arrays(tmp_path / "x.npz", zipfile.ZIP_DEFLATED, example=np.zeros((1, 1 << 24), np.uint8))
    with pytest.raises(RecordError, match="longer than their file"):
        from_record(record, tmp_path)
    write_arrays(tmp_path / "x.npz", example=np.zeros((1, 8), np.uint8))
    content = (tmp_path / "x.npz").read_bytes()
    (tmp_path / "x.npz").write_bytes(content.replace(b"(1, 8), }      ", b"(9, 99999999),}"))
    with pytest.raises(RecordError):
        from_record(record, tmp_path)


@pytest.mark.parametrize("offset", [-5, 1 << 60])
def test_a_state_of_no_journal_is_forgotten(offset: int, tmp_path: Path) -> None:
    DeliveryState(run_id="r", offset=offset).write(tmp_path / "state.json")
    assert DeliveryState.read(tmp_path / "state.json") == DeliveryState(is_creating=True)

"""Outputs that can't be shown, or hardly: damaged, old, foreign, changed since, half arrived."""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import mlflow.store.db.utils
import pytest
import sqlalchemy
from mlflow import MlflowClient

from support.outputs import begun, merged, store_in, told, tree
from trialmaker.analysis.store import outputs, snapshots
from trialmaker.analysis.store.merging import merge
from trialmaker.errors import UserError


def nothing(place: Path) -> None:
    place.mkdir()


def empty_file(place: Path) -> None:
    place.mkdir()
    (place / "mlflow.db").touch()


def text(place: Path) -> None:
    place.mkdir()
    (place / "mlflow.db").write_text("no database " * 1000)


def other_database(place: Path) -> None:
    place.mkdir()
    with closing(sqlite3.connect(place / "mlflow.db")) as connection:
        connection.execute("CREATE TABLE runs (a)")
        connection.commit()


def truncated(place: Path) -> None:
    begun(store_in(place))
    os.truncate(place / "mlflow.db", (place / "mlflow.db").stat().st_size // 2)


def damaged(place: Path) -> None:
    begun(store_in(place))
    content = bytearray((place / "mlflow.db").read_bytes())
    content[8192:-4096] = os.urandom(len(content) - 12288)
    (place / "mlflow.db").write_bytes(content)


def newer(place: Path) -> None:
    begun(store_in(place))
    with closing(sqlite3.connect(place / "mlflow.db")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'feedc0ffee00'")
        connection.commit()


def file_store(place: Path) -> None:
    (place / "mlruns" / "0").mkdir(parents=True)
    (place / "mlruns" / "0" / "meta.yaml").write_text("name: Default\n")


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (nothing, "holds no mlflow.db, so no job's output"),
        (empty_file, "is empty"),
        (text, "is no SQLite database"),
        (other_database, "is no MLflow store"),
        (truncated, "database disk image is malformed"),
        (damaged, "malformed"),
        (newer, "was written by a newer MLflow: Can't locate revision identified by 'feedc0ffee00'"),
        (file_store, "an MLflow file store: to make one of it: mlflow migrate-filestore --source "),
    ],
    ids=lambda case: getattr(case, "__name__", ""),
)
def test_what_cannot_be_shown_is_skipped_with_a_line(
    tmp_path: Path, broken: Callable[[Path], None], reason: str
) -> None:
    run = begun(store_in(tmp_path / "a"))
    broken(tmp_path / "b")
    done = merged([tmp_path / "a", tmp_path / "b"], tmp_path / "store")
    (line,) = map(str, done.skipped)
    assert line.startswith(f"skipped {tmp_path / 'b'}") and reason in line and "\n" not in line
    assert list(told(tmp_path / "store" / "mlflow.db")) == [run]


def test_an_output_that_broke_since_keeps_what_was_brought(tmp_path: Path) -> None:
    run = begun(store_in(tmp_path / "a"))
    merged([tmp_path / "a"], tmp_path / "store")
    (tmp_path / "a" / "mlflow.db").write_text("broken")
    assert len(merged([tmp_path / "a"], tmp_path / "store").skipped) == 1
    assert list(told(tmp_path / "store" / "mlflow.db")) == [run]


def test_a_place_that_is_none_is_the_persons_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        outputs.find([tmp_path / "V0009", tmp_path])
    assert error.value.mistakes == (f"{tmp_path / 'V0009'}: there is no such directory",)


@contextmanager
def revision(file: Path, wanted: str) -> Iterator[sqlite3.Connection]:
    """A store as an older MLflow made it."""
    from alembic import command

    file.parent.mkdir()
    engine = sqlalchemy.create_engine(f"sqlite:///{file}")
    mlflow.store.db.utils.InitialBase.metadata.create_all(engine)
    config = mlflow.store.db.utils._get_alembic_config(str(engine.url))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, wanted)
    engine.dispose()
    with closing(sqlite3.connect(file)) as connection:
        yield connection
        connection.commit()


@pytest.mark.parametrize("wanted", ["89d4b8295536", "0584bdc529eb"], ids=["MLflow 1.1", "MLflow 2.20"])
def test_a_store_of_an_older_mlflow(tmp_path: Path, wanted: str) -> None:
    place = tmp_path / "old"
    with revision(place / "mlflow.db", wanted) as connection:
        connection.execute("INSERT INTO experiments VALUES (7, 'old', '/gone/mlruns/7', 'active')"
                           if wanted == "89d4b8295536" else
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
    before = tree(place)
    assert merged([place], tmp_path / "store").skipped == []
    (run,) = told(tmp_path / "store" / "mlflow.db").values()
    assert (run["experiment"], run["params"], list(run["artifacts"])) == ("old", {"learning_rate": "0.1"}, ["a.txt"])
    assert run["metrics"] == {"val_accuracy": [(3, 5, 0.9)]}
    assert tree(place) == before


def test_snapshots_leave_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    newer(tmp_path / "b")
    with pytest.raises(snapshots.UnreadableError), snapshots.open_snapshot(tmp_path / "b" / "mlflow.db", "another"):
        pass
    assert list((tmp_path / "temporary").iterdir()) == []


def test_artifacts_that_arrive_after_their_store_are_found(originals: dict, copies: list[Path], tmp_path: Path) -> None:
    """As in a download that goes on."""
    (tmp_path / "aside").mkdir()
    for place in copies:
        (place / "mlartifacts").rename(tmp_path / "aside" / place.name)
    merged(copies, tmp_path / "store")
    assert not any(run["artifacts"] for run in told(tmp_path / "store" / "mlflow.db").values())
    for place in copies:
        (tmp_path / "aside" / place.name).rename(place / "mlartifacts")
    merged(copies, tmp_path / "store")
    assert told(tmp_path / "store" / "mlflow.db") == originals


@pytest.mark.parametrize("order", [["full", "bare"], ["bare", "full"]])
def test_a_copy_without_files_takes_none_away(
    originals: dict, copies: list[Path], tmp_path: Path, order: list[str]
) -> None:
    (tmp_path / "bare").mkdir()
    shutil.copy(copies[0] / "mlflow.db", tmp_path / "bare")
    places = {"full": copies[0], "bare": tmp_path / "bare"}
    merged([places[name] for name in order], tmp_path / "store")
    (run,) = told(copies[0] / "mlflow.db")
    assert told(tmp_path / "store" / "mlflow.db") == {run: originals[run]}


def test_what_people_and_outputs_change(tmp_path: Path) -> None:
    """A change of the output counts; what it did not change stays as people made it."""
    source = store_in(tmp_path / "place")
    run = begun(source, a="1", b="1", c="1")
    other = begun(source)
    source.delete_run(other)
    merged([tmp_path / "place"], tmp_path / "store")
    person = MlflowClient(f"sqlite:///{tmp_path / 'store' / 'mlflow.db'}")
    person.update_run(run, name="my name")
    person.set_tag(run, "a", "mine")
    person.set_tag(run, "b", "mine")
    person.rename_experiment("0", "my experiment")
    source.set_tag(run, "b", "2")
    source.delete_tag(run, "c")
    source.restore_run(other)
    source.log_metric(run, "val_accuracy", 0.7, step=2)
    merged([tmp_path / "place"], tmp_path / "store")
    found = told(tmp_path / "store" / "mlflow.db")
    assert found[run]["info"][0] == found[run]["tags"]["mlflow.runName"] == "my name"
    assert {name: found[run]["tags"].get(name) for name in "abc"} == {"a": "mine", "b": "2", "c": None}
    assert (found[run]["experiment"], found[other]["info"][-1]) == ("my experiment", "active")


def test_a_store_is_no_output_and_an_output_no_store(tmp_path: Path) -> None:
    run = begun(store_in(tmp_path / "place"))
    merged([tmp_path], tmp_path / "store")
    merged([tmp_path], tmp_path / "store")
    assert [output.label for output in outputs.find([tmp_path])[0]] == ["place"]
    before = tree(tmp_path / "place")
    for store in (tmp_path / "place", tmp_path / "another"):
        if store.name == "another":
            store_in(store)
        with pytest.raises(UserError, match="holds a store that is not a merged one"):
            merge(outputs.find([tmp_path / "place"])[0], store)
    assert tree(tmp_path / "place") == before
    assert list(told(tmp_path / "store" / "mlflow.db")) == [run]


@pytest.mark.parametrize("name", ["a?b", "a#b", "a%20b"])
def test_a_store_where_mlflow_could_not_find_it_is_refused(tmp_path: Path, name: str) -> None:
    begun(store_in(tmp_path / "place"))
    with pytest.raises(UserError, match="must be a path without"):
        merge(outputs.find([tmp_path / "place"])[0], tmp_path / name)
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("content", ["", "garbage" * 1000])
def test_a_merged_store_that_was_broken_is_one_line(tmp_path: Path, content: str) -> None:
    begun(store_in(tmp_path / "place"))
    merged([tmp_path / "place"], tmp_path / "store")
    (tmp_path / "store" / "mlflow.db").write_text(content)
    with pytest.raises(UserError, match=r"store: cannot hold the merged store: .*; remove it, or name another one"):
        merged([tmp_path / "place"], tmp_path / "store")


def test_a_merged_store_of_another_mlflow_is_brought_up_to_date(tmp_path: Path) -> None:
    run = begun(store_in(tmp_path / "place"))
    merged([tmp_path / "place"], tmp_path / "store")
    (tmp_path / "store" / "mlflow.db").unlink()
    with revision(tmp_path / "older" / "mlflow.db", "0584bdc529eb") as connection:
        connection.execute("INSERT INTO experiments VALUES (0, 'Default', '/x', 'active', 1, 1)")
    (tmp_path / "older" / "mlflow.db").rename(tmp_path / "store" / "mlflow.db")
    (tmp_path / "store" / outputs.MARKER_FILE).write_text("3.0.0")
    merged([tmp_path / "place"], tmp_path / "store")
    assert list(told(tmp_path / "store" / "mlflow.db")) == [run]


def old_and_damaged(place: Path) -> None:
    begun(store_in(place))
    with closing(sqlite3.connect(place / "mlflow.db")) as connection:
        connection.execute("DELETE FROM alembic_version")
        connection.commit()


def test_a_damaged_store_that_would_have_to_be_migrated_is_skipped(tmp_path: Path) -> None:
    old_and_damaged(tmp_path / "b")
    run = begun(store_in(tmp_path / "a"))
    (line,) = map(str, merged([tmp_path], tmp_path / "store").skipped)
    assert "cannot be brought up to date" in line and "\n" not in line
    assert list(told(tmp_path / "store" / "mlflow.db")) == [run]


def test_a_folder_that_cannot_be_entered_is_skipped(tmp_path: Path) -> None:
    begun(store_in(tmp_path / "a"))
    (tmp_path / "b").mkdir(mode=0o000)
    for folder in (tmp_path, *list(tmp_path.parents)[:-2]):
        folder.chmod(folder.stat().st_mode | 0o055)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        found, skipped = outputs.find([tmp_path])
    finally:
        os.seteuid(user)
        (tmp_path / "b").chmod(0o755)
    assert [output.label for output in found] == ["a"]
    assert list(map(str, skipped)) == [f"skipped {tmp_path / 'b'}: cannot be looked into: Permission denied"]


@pytest.mark.parametrize(
    ("places", "labels"),
    [
        (["V0001"], ["V0001"]),
        (["V0001/output"], ["V0001"]),
        (["V0001", "V0002"], ["V0001", "V0002"]),
        (["V0001/output", "V0002/output"], ["V0001", "V0002"]),
        (["a/V0001", "b/V0001"], ["a/V0001", "b/V0001"]),
    ],
)
def test_labels(tmp_path: Path, places: list[str], labels: list[str]) -> None:
    for place in places:
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "mlflow.db").touch()
    assert [output.label for output in outputs.find([tmp_path / place for place in places])[0]] == labels


def test_labels_follow_when_an_output_joins(tmp_path: Path) -> None:
    run = begun(store_in(tmp_path / "a" / "V0001"))
    merged([tmp_path], tmp_path / "store")
    second = begun(store_in(tmp_path / "b" / "V0001"))
    merged([tmp_path], tmp_path / "store")
    client = MlflowClient(f"sqlite:///{tmp_path / 'store' / 'mlflow.db'}")
    assert [client.get_run(one).data.tags["trialmaker.output"] for one in (run, second)] == ["a/V0001", "b/V0001"]

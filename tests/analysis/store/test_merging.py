"""Merges of many outputs: the merged store holds all of them, wherever they were made; the outputs do not change."""

import hashlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient

from support.entry import PROJECT
from support.outputs import (
    artifact_digests,
    create_store,
    file_digests,
    merge_outputs,
    read_runs,
    start_run,
    table_names,
    table_rows,
)
from support.waiting import wait_until


def test_no_address_of_the_place_where_an_output_was_made_is_left(
    originals: dict, copies: list[Path], jobs: Path, tmp_path: Path
) -> None:
    """Only columns that record the past may name that place, such as the values of params."""
    assert originals
    merge_outputs(copies, tmp_path / "store")
    first_place = str(jobs.with_name("made"))
    record_columns = {"params": "value", "logged_model_params": "param_value", "datasets": "dataset_source"}
    with closing(sqlite3.connect(tmp_path / "store" / "mlflow.db")) as connection:
        for table in table_names(connection):
            cursor = connection.execute(f"SELECT * FROM {table}")
            names = [column[0] for column in cursor.description]
            for row in cursor:
                for name, value in zip(names, row, strict=True):
                    assert first_place not in str(value) or record_columns.get(table) == name, (
                        table,
                        name,
                        value,
                    )


def unchanged(places: list[Path]) -> list[Path]:
    return places


def in_one_folder(places: list[Path]) -> list[Path]:
    return [places[0].parent]


def renamed(places: list[Path]) -> list[Path]:
    odd = places[0].parent.with_name("Größe 2 #1 100%25?é")
    places[0].parent.rename(odd)
    return [odd]


def platform_roots(places: list[Path]) -> list[Path]:
    for place in places:
        (place.parent / "roots" / place.name).mkdir(parents=True)
        place.rename(place.parent / "roots" / place.name / "output")
    return [places[0].parent / "roots" / place.name for place in places]


def symbolic_links(places: list[Path]) -> list[Path]:
    links = places[0].parent.with_name("links")
    links.mkdir()
    for place in places:
        (links / place.name).symlink_to(place)
    return [links / place.name for place in places]


def repeated(places: list[Path]) -> list[Path]:
    return [*places, places[0].parent, *places]


def with_a_copy(places: list[Path]) -> list[Path]:
    return [*places, Path(shutil.copytree(places[0], places[0].with_name("copy of V0001")))]


@pytest.mark.parametrize(
    "arrange",
    [unchanged, in_one_folder, renamed, platform_roots, symbolic_links, repeated, with_a_copy],
    ids=lambda case: case.__name__,
)
def test_all_runs_are_merged(
    originals: dict, copies: list[Path], tmp_path: Path, arrange: Callable[[list[Path]], list[Path]]
) -> None:
    result = merge_outputs(arrange(copies), tmp_path / "store")
    assert result.skipped == []
    assert read_runs(tmp_path / "store" / "mlflow.db") == originals
    assert sum(bool(run["artifacts"]) for run in originals.values()) == 2  # of the runs that are no trials
    assert sum(len(run["models"]) for run in originals.values()) == 2
    assert sum("mlflow.parentRunId" in run["tags"] for run in originals.values()) == 3


def test_a_copy_keeps_its_own_files_while_the_original_exists(tmp_path: Path) -> None:
    client = create_store(tmp_path / "first")
    client.log_text(start_run(client), "first", "a.txt")
    shutil.copytree(tmp_path / "first", tmp_path / "copy")
    (file,) = (tmp_path / "copy").rglob("a.txt")
    file.write_text("changed")
    merge_outputs([tmp_path / "copy"], tmp_path / "store")
    (run,) = read_runs(tmp_path / "store" / "mlflow.db").values()
    assert run["artifacts"] == {"a.txt": hashlib.sha256(b"changed").hexdigest()}


def test_a_second_merge_adds_nothing_and_writes_nothing_to_the_outputs(copies: list[Path], tmp_path: Path) -> None:
    before = [(file_digests(place), {path: path.stat().st_mtime_ns for path in place.rglob("*")}) for place in copies]
    merge_outputs(copies, tmp_path / "store")
    first = table_rows(tmp_path / "store" / "mlflow.db")
    for place in copies:  # so that it is read again
        os.utime(place / "mlflow.db")
    merge_outputs(copies, tmp_path / "store")
    second = table_rows(tmp_path / "store" / "mlflow.db")
    for name in first.keys() - {"trialmaker_sources"}:
        assert first[name] == second[name], name
    for place, (files, times) in zip(copies, before, strict=True):
        assert file_digests(place) == files
        times.pop(place / "mlflow.db")
        assert {path: path.stat().st_mtime_ns for path in times} == times


def test_read_only_media(originals: dict, copies: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The superuser, who may write everything, merges as another user."""
    (tmp_path / "store").mkdir()
    (tmp_path / "temporary").mkdir()
    (tmp_path / "temporary").chmod(0o777)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    for folder in (tmp_path, *list(tmp_path.parents)[:-2]):
        folder.chmod(folder.stat().st_mode | 0o055)
    for path in [copies[0].parent, *copies[0].parent.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    user = os.geteuid()
    if user == 0:
        shutil.chown(tmp_path / "store", 65534)
        os.seteuid(65534)
    try:
        with pytest.raises(PermissionError):
            (copies[0] / "new").touch()
        result = merge_outputs(copies, tmp_path / "store")
    finally:
        os.seteuid(user)
    for path in [copies[0].parent, *copies[0].parent.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    assert result.skipped == []
    assert read_runs(tmp_path / "store" / "mlflow.db") == originals


def test_a_store_holds_only_the_outputs_of_the_last_merge(originals: dict, copies: list[Path], tmp_path: Path) -> None:
    merge_outputs(copies, tmp_path / "store")
    merge_outputs(copies[:1], tmp_path / "store")
    (run,) = read_runs(copies[0] / "mlflow.db")
    assert read_runs(tmp_path / "store" / "mlflow.db") == {run: originals[run]}
    remaining, first = table_rows(tmp_path / "store" / "mlflow.db"), table_rows(copies[0] / "mlflow.db")
    for table in ("inputs", "input_tags", "params", "metrics", "logged_models", "logged_model_metrics"):
        assert len(remaining[table]) == len(first[table]), table


def test_changes_by_people_in_the_merged_store_stay(tmp_path: Path) -> None:
    source = create_store(tmp_path / "place")
    first, second = start_run(source), start_run(source)
    merge_outputs([tmp_path / "place"], tmp_path / "store")
    person = MlflowClient(f"sqlite:///{tmp_path / 'store' / 'mlflow.db'}")
    person.set_tag(first, "mlflow.note.content", "the good one")
    person.delete_run(second)
    source.log_metric(first, "val_accuracy", 0.7, step=2)
    merge_outputs([tmp_path / "place"], tmp_path / "store")
    contents = read_runs(tmp_path / "store" / "mlflow.db")
    assert contents[first]["tags"]["mlflow.note.content"] == "the good one"
    assert contents[second]["info"][-1] == "deleted"
    assert len(contents[first]["metrics"]["val_accuracy"]) == 2


def test_versions_of_registered_models_of_one_name_are_renumbered(tmp_path: Path) -> None:
    for name in ("a", "b"):
        client = create_store(tmp_path / name)
        run = start_run(client)
        (tmp_path / name / "mlartifacts" / "weights").mkdir(parents=True)
        (tmp_path / name / "mlartifacts" / "weights" / "file").write_text(name)
        client.create_registered_model("digits")
        version = client.create_model_version(
            "digits", f"file:///elsewhere/{name}/mlartifacts/weights", run, tags={"from": name}
        )
        client.set_registered_model_alias("digits", f"alias-{name}", version.version)
    for _ in range(2):
        merge_outputs([tmp_path / "a", tmp_path / "b"], tmp_path / "store")
        os.utime(tmp_path / "b" / "mlflow.db")
    person = MlflowClient(f"sqlite:///{tmp_path / 'store' / 'mlflow.db'}")
    versions = {one.version: one for one in person.search_model_versions("name = 'digits'")}
    assert {version: one.tags["from"] for version, one in versions.items()} == {1: "a", 2: "b"}
    assert [list(artifact_digests(versions[number].source)) for number in (1, 2)] == [["file"], ["file"]]
    assert [person.get_model_version_by_alias("digits", f"alias-{name}").version for name in "ab"] == [1, 2]


def test_a_merge_that_was_killed_is_resumed(originals: dict, copies: list[Path], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "trialmaker", "compare", *map(str, copies), "--store", str(tmp_path / "store")]
    for stage in (".mlflow.db.new", "mlflow.db"):  # while the store is made, and while it is filled
        process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until((tmp_path / "store" / stage).exists)
        process.kill()
        assert process.wait() in (-signal.SIGKILL, 0)  # it may just have ended
    merge_outputs(copies, tmp_path / "store")
    assert read_runs(tmp_path / "store" / "mlflow.db") == originals

"""Outputs of strangers: what their addresses, links, tables and values make the commands do."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pytest
from mlflow import MlflowClient
from mlflow.entities import LoggedModelStatus

from support.outputs import Command, create_store, merge_outputs, start_run
from trialmaker.analysis.store import outputs, runs
from trialmaker.analysis.store.artifact_files import ArtifactFolders
from trialmaker.platform import received_database
from trialmaker.platform.received_files import is_inside
from trialmaker.tracking import output_store

SECRET = "PRIVATE KEY"


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """A folder of the reader's own, with a file that nobody else should get."""
    folder = tmp_path / "home" / ".ssh"
    folder.mkdir(parents=True)
    (folder / "id_rsa").write_text(SECRET)
    return folder


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """A received output with one run, which has a file and a model with one."""
    output = tmp_path / "received"
    client = create_store(output)
    run = start_run(client)
    client.set_terminated(run)
    client.log_text(run, "mine", "notes.txt")
    model = client.create_logged_model("0", "net", run)
    (output / "weights").write_text("weights")
    client.log_model_artifact(model.model_id, str(output / "weights"))
    client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    return output


def execute(database: Path, *statements: str) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("PRAGMA writable_schema = ON")
        for statement in statements:
            connection.execute(statement)


def artifact_root(output: Path) -> Path:
    (notes,) = output.rglob("notes.txt")
    return notes.parent


def place_in_store(output: Path, secrets: Path) -> None:
    for table, column in (("runs", "artifact_uri"), ("logged_models", "artifact_location")):
        execute(output / "mlflow.db", f"UPDATE {table} SET {column} = '{secrets.as_uri()}'")


def path_of_a_model_version(output: Path, secrets: Path) -> None:
    place_in_store(output, secrets)
    values = f"'m', 1, 1, '{secrets}', '{secrets.as_uri()}', 'READY', 'None', 'default'"
    names = "name, version, creation_time, source, storage_location, status, current_stage, workspace"
    execute(
        output / "mlflow.db",
        "INSERT INTO registered_models (name, workspace) VALUES ('m', 'default')",
        f"INSERT INTO model_versions ({names}) VALUES ({values})",
    )


def network(output: Path, _: Path) -> None:
    for table, column in (("runs", "artifact_uri"), ("logged_models", "artifact_location")):
        execute(output / "mlflow.db", f"UPDATE {table} SET {column} = 'http://127.0.0.1:9/key'")


def parent_of_the_output(output: Path, _: Path) -> None:
    address = f"{output.as_uri()}/mlartifacts/../../home/.ssh"
    for table, column in (("runs", "artifact_uri"), ("logged_models", "artifact_location")):
        execute(output / "mlflow.db", f"UPDATE {table} SET {column} = '{address}'")


def encoded_parent(output: Path, _: Path) -> None:
    address = f"{output.as_uri()}/mlartifacts/{quote('../../home/.ssh', safe='').replace('.', '%2E')}"
    for table, column in (("runs", "artifact_uri"), ("logged_models", "artifact_location")):
        execute(output / "mlflow.db", f"UPDATE {table} SET {column} = '{address}'")


def link_for_a_folder(output: Path, secrets: Path) -> None:
    for folder in {artifact_root(output), *(path.parent for path in output.rglob("weights") if path.parent != output)}:
        folder.rename(folder.with_name("moved"))
        folder.symlink_to(secrets)


def link_for_all_artifacts(output: Path, secrets: Path) -> None:
    root = artifact_root(output)
    secrets.joinpath(root.relative_to(output / "mlartifacts")).mkdir(parents=True)
    secrets.joinpath(root.relative_to(output / "mlartifacts"), "id_rsa").write_text(SECRET)
    (output / "mlartifacts").rename(output / "moved")
    (output / "mlartifacts").symlink_to(secrets)
    execute(output / "mlflow.db", "UPDATE logged_models SET artifact_location = 'file:///mlartifacts/m'")


ATTACKS = [
    place_in_store,
    path_of_a_model_version,
    network,
    parent_of_the_output,
    encoded_parent,
    link_for_a_folder,
    link_for_all_artifacts,
]


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("is_known", [False, True], ids=["at once", "when it was merged before"])
def test_no_address_leads_out_of_the_output(
    attack: Callable[[Path, Path], None], is_known: bool, output: Path, secrets: Path, tmp_path: Path
) -> None:
    """All that MLflow's server, push, prune and rerun look into are the addresses of the merged store."""
    if is_known:
        merge_outputs([output], tmp_path / "store")
    attack(output, secrets)
    result = merge_outputs([output], tmp_path / "store")
    assert is_known or result.left_out >= 2
    with closing(sqlite3.connect(tmp_path / "store" / "mlflow.db")) as connection:
        for column, table in (
            *(("artifact_uri", "runs"), ("artifact_location", "logged_models"), ("artifact_location", "experiments")),
            *(("source", "model_versions"), ("storage_location", "model_versions")),
        ):
            for (address,) in connection.execute(f"SELECT {column} FROM {table}"):
                path = Path(unquote(urlsplit(address).path))
                assert (address.startswith("file:///") and is_inside(path, tmp_path / "store")) or (
                    is_known and is_inside(path, output)
                ), address
    assert merge_outputs([output], tmp_path / "store").left_out == result.left_out


def test_a_link_that_is_gone_is_forgotten(output: Path, secrets: Path, tmp_path: Path) -> None:
    root = artifact_root(output)
    root.rename(root.with_name("moved"))
    root.symlink_to(secrets)
    assert merge_outputs([output], tmp_path / "store").left_out == 1
    root.unlink()
    root.with_name("moved").rename(root)
    assert merge_outputs([output], tmp_path / "store").left_out == 0
    (run,) = runs.load(tmp_path / "store")
    assert list(ArtifactFolders.of(tmp_path / "store").files(run.artifacts)) == ["notes.txt"]


def test_links_and_pipes_among_the_files_are_left_out(output: Path, secrets: Path, tmp_path: Path) -> None:
    root = artifact_root(output)
    (root / "key").symlink_to(secrets / "id_rsa")
    (root / "folder").symlink_to(secrets)
    (root / "own").symlink_to(root / "notes.txt")
    (root / "circle").symlink_to(root / "circle")
    os.mkfifo(root / "pipe")
    merge_outputs([output], tmp_path / "store")
    (run,) = runs.load(tmp_path / "store")
    artifacts = ArtifactFolders.of(tmp_path / "store")
    assert sorted(artifacts.files(run.artifacts)) == ["notes.txt", "own"]
    assert artifacts.left_out == 4


def test_another_outputs_files_are_not_a_strangers(output: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    client = create_store(own)
    client.log_text(start_run(client), "unpublished", "plan.txt")
    execute(output / "mlflow.db", f"UPDATE runs SET artifact_uri = '{artifact_root_of(own)}'")
    assert merge_outputs([own, output], tmp_path / "store").left_out == 1


def artifact_root_of(own: Path) -> str:
    (plan,) = own.rglob("plan.txt")
    return plan.parent.as_uri()


def test_a_line_counts_what_is_left_out(output: Path, secrets: Path, command: Command) -> None:
    place_in_store(output, secrets)
    code, _, err = command("compare", str(output))
    reason = "their addresses or links lead out of the output that they came with"
    assert (code, err) == (0, f"left out: the artifacts of 2 of the runs and models: {reason}\n")


def test_links_to_the_readers_own_output_are_skipped_with_a_line(tmp_path: Path, command: Command) -> None:
    start_run(create_store(tmp_path / "own"))
    received = tmp_path / "received"
    for name in ("V0001", "V0002"):
        (received / name).mkdir(parents=True)
        (received / name / "mlflow.db").symlink_to(tmp_path / "own" / "mlflow.db")
    (received / "V0003").mkdir()
    (received / "V0003" / "output").symlink_to(tmp_path / "own")
    (received / "V0003" / "data").symlink_to(tmp_path)
    code, _, err = command("compare", str(received))
    (line,) = err.splitlines()
    assert code == 2 and "3 links in it" in line and "lead to stores elsewhere" in line


@pytest.mark.parametrize("name", ["V0001", "output"])
def test_a_link_in_the_place_that_is_named_leads_to_an_output(
    name: str, output: Path, secrets: Path, tmp_path: Path
) -> None:
    """Its target is an output like another: what lies below it is bounded to it."""
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / name).symlink_to(output if name == "V0001" else output.rename(tmp_path / "big"))
    (tmp_path / "jobs" / "home").symlink_to(secrets.parent)
    result = merge_outputs([tmp_path / "jobs"], tmp_path / "store")
    (run,) = runs.load(tmp_path / "store")
    assert (result.left_out, result.skipped) == (0, [])
    assert list(ArtifactFolders.of(tmp_path / "store").files(run.artifacts)) == ["notes.txt"]
    databases, (skipped,) = outputs.find([tmp_path / "jobs"], follows_links=False)  # as push does
    assert databases == [] and "lead to stores elsewhere: name those places themselves" in skipped.reason


@pytest.mark.parametrize("name", ["mlflow.db", "mlartifacts"])
def test_links_at_the_top_of_ones_own_output_are_ones_own(
    name: str, output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = output.rename(tmp_path / "output")
    place_in_store(own, own / "mlartifacts")
    monkeypatch.setenv("AI_ROOT", str(tmp_path))
    (tmp_path / "big").mkdir()
    (own / name).rename(tmp_path / "big" / name)
    (own / name).symlink_to(tmp_path / "big" / name)
    result = merge_outputs([own], tmp_path / "store")
    (run,) = runs.load(tmp_path / "store")
    assert (result.left_out, result.skipped) == (0, [])
    assert any(path.endswith("notes.txt") for path in ArtifactFolders.of(tmp_path / "store").files(run.artifacts))


@pytest.mark.parametrize("table", ["VIEW v AS SELECT 1", "VIRTUAL TABLE v USING fts5(x)"])
def test_what_one_adds_to_ones_own_store_is_ones_own(
    table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AI_ROOT", str(tmp_path))
    start_run(create_store(tmp_path / "output"))
    execute(tmp_path / "output" / "mlflow.db", f"CREATE {table}")
    assert output_store.find_fault(tmp_path / "output" / "mlflow.db") is None
    assert merge_outputs([tmp_path / "output"], tmp_path / "store").skipped == []
    received_database.check_file(tmp_path / "output" / "mlflow.db")


def endless_view(database: Path) -> None:
    numbers = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)"
    execute(
        database, "ALTER TABLE tags RENAME TO t", f"CREATE VIEW tags AS {numbers} SELECT x AS key, x AS value FROM n"
    )


def view_beside(database: Path) -> None:
    execute(database, "CREATE VIEW v AS SELECT * FROM runs")


def view_called_a_table(database: Path) -> None:
    view_beside(database)
    execute(database, "UPDATE sqlite_master SET type = 'table' WHERE name = 'v'")


def trigger(database: Path) -> None:
    execute(database, "CREATE TRIGGER t AFTER UPDATE ON runs BEGIN DELETE FROM tags; END")


def trigger_called_an_index(database: Path) -> None:
    trigger(database)
    execute(database, "UPDATE sqlite_master SET type = 'index' WHERE name = 't'")


def computed_column(database: Path) -> None:
    execute(database, "ALTER TABLE runs ADD COLUMN more TEXT AS (hex(zeroblob(1000000000)))")


def virtual_table(database: Path) -> None:
    execute(database, "CREATE VIRTUAL TABLE v USING fts5(x)")


def missing_column(database: Path) -> None:
    execute(database, "ALTER TABLE runs DROP COLUMN source_name")


def text_for_a_time(database: Path) -> None:
    execute(database, "UPDATE runs SET start_time = 'yesterday'")


def blob_for_a_text(database: Path) -> None:
    execute(database, "UPDATE runs SET name = x'1b5b324a'")


def no_utf8(database: Path) -> None:
    execute(database, "INSERT INTO params SELECT 'a', CAST(x'ff1b5d' AS TEXT), run_uuid FROM runs")


def no_utf8_among_metrics(database: Path) -> None:
    execute(database, "UPDATE metrics SET key = CAST(x'ff' AS TEXT)")


def long_text(database: Path) -> None:
    execute(database, "INSERT INTO tags SELECT 'a', printf('%.*c', 30000000, 'x'), run_uuid FROM runs")


def long_name(database: Path) -> None:
    execute(database, "UPDATE runs SET name = printf('%.*c', 70000, 'x')")


def names_without_end(database: Path) -> None:
    numbers = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 10001)"
    execute(database, f"INSERT INTO params {numbers} SELECT 'p' || x, '1', run_uuid FROM n, runs")


def unknown_status(database: Path) -> None:
    execute(database, "PRAGMA ignore_check_constraints = ON", "UPDATE runs SET status = 'DONE'")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (endless_view, "holds a view, tags"),
        (view_beside, "holds a view, v"),
        (view_called_a_table, "malformed database schema"),
        (trigger, "holds a trigger, t"),
        (trigger_called_an_index, "malformed database schema"),
        (computed_column, "holds a table, runs, and not only plain tables"),
        (virtual_table, "holds a table, v"),
        (missing_column, "its table runs lacks source_name"),
        (text_for_a_time, "its table runs holds values that are not of their column's type"),
        (blob_for_a_text, "its table runs holds values that are not of their column's type"),
        (no_utf8, "Could not decode to UTF-8"),
        (no_utf8_among_metrics, "Could not decode to UTF-8"),
        (long_text, "string or blob too big"),
        (long_name, "its table runs holds values that are not of their column's type"),
        (names_without_end, "its table params has 10,001 names"),
        (unknown_status, "CHECK constraint failed"),
    ],
    ids=lambda case: getattr(case, "__name__", ""),
)
def test_a_database_that_is_not_what_it_should_be_is_skipped_with_a_line(
    spoil: Callable[[Path], None], reason: str, tmp_path: Path
) -> None:
    start_run(create_store(tmp_path / "received"))
    spoil(tmp_path / "received" / "mlflow.db")
    (line,) = map(str, merge_outputs([tmp_path / "received"], tmp_path / "store").skipped)
    assert reason in line and len(line) < 500


def test_reading_ends_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(received_database, "SHORTEST_SECONDS", -10.0)
    monkeypatch.setattr(received_database, "PROGRESS_INSTRUCTIONS", 10)
    start_run(create_store(tmp_path / "received"))
    (line,) = map(str, merge_outputs([tmp_path / "received"], tmp_path / "store").skipped)
    assert line.endswith("takes too long to read: it is not what it should be")


@pytest.mark.parametrize("suffix", ["-wal", "-journal"])
def test_a_log_that_is_a_link_is_not_copied(suffix: str, tmp_path: Path) -> None:
    client = create_store(tmp_path / "received")
    start_run(client)
    execute(tmp_path / "received" / "mlflow.db", "PRAGMA journal_mode = WAL")
    (tmp_path / "received" / f"mlflow.db{suffix}").unlink(missing_ok=True)
    (tmp_path / "received" / f"mlflow.db{suffix}").symlink_to("/dev/zero")
    (line,) = map(str, merge_outputs([tmp_path / "received"], tmp_path / "store").skipped)
    assert line.endswith(f"its mlflow.db{suffix} is a link")


def test_what_mlflow_serves(output: Path, secrets: Path, tmp_path: Path) -> None:
    """MLflow's own check of links within a folder, on which ``ui`` relies."""
    from mlflow.exceptions import MlflowException
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

    root = artifact_root(output)
    (root / "key").symlink_to(secrets / "id_rsa")
    (root / "folder").symlink_to(secrets)
    merge_outputs([output], tmp_path / "store")
    run = MlflowClient(f"sqlite:///{tmp_path / 'store' / 'mlflow.db'}").search_runs(["0", "1"])[0]
    served = LocalArtifactRepository(run.info.artifact_uri)
    assert Path(served.get_local_path("notes.txt")).read_text() == "mine"
    for path in ("key", "folder/id_rsa", "../notes.txt"):
        with pytest.raises(MlflowException):
            served.get_local_path(path)

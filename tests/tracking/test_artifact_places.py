"""Where the artifacts of a moved or received output are written to."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient

from support.outputs import create_store, start_run
from trialmaker.errors import UserError
from trialmaker.tracking.artifact_places import keep_inside


@pytest.fixture
def client(tmp_path: Path) -> MlflowClient:
    return create_store(tmp_path / "output")


def move(output: Path, address: str) -> None:
    """Have all that is in the store lie at another address."""
    with closing(sqlite3.connect(output / "mlflow.db")) as connection, connection:
        connection.execute("UPDATE experiments SET artifact_location = ?", (address,))
        connection.execute("UPDATE runs SET artifact_uri = ? || '/' || run_uuid || '/artifacts'", (address,))


@pytest.mark.parametrize(
    ("address", "folder"),
    [
        ("file:///opt/ai/output/mlartifacts/digits", "mlartifacts/digits"),
        ("/opt/mlartifacts/output/mlartifacts/digits", "mlartifacts/digits"),
        ("file:///opt/ai/output/mlartifacts/../../../etc", "mlartifacts/etc"),
        ("file:///home/me", "mlartifacts/0"),
        ("", "mlartifacts/0"),
    ],
)
def test_a_moved_outputs_artifacts_are_written_into_it(
    address: str, folder: str, client: MlflowClient, tmp_path: Path
) -> None:
    output, run = tmp_path / "output", start_run(client)
    move(output, address)
    keep_inside(output, "Default", run)
    keep_inside(output, "Default", run)
    assert client.get_experiment("0").artifact_location == (output / folder).as_uri()
    client.log_text(run, "text", "a.txt")
    assert len(list((output / "mlartifacts").rglob("a.txt"))) == 1


def test_what_lies_in_the_output_stays_where_it_is(client: MlflowClient, tmp_path: Path) -> None:
    output, run = tmp_path / "output", start_run(client)
    places = [client.get_experiment("0").artifact_location, client.get_run(run).info.artifact_uri]
    (tmp_path / "link").symlink_to(output)
    keep_inside(tmp_path / "link", "Default", run)
    assert places == [client.get_experiment("0").artifact_location, client.get_run(run).info.artifact_uri]


@pytest.mark.parametrize("address", ["s3://bucket/a", "mlflow-artifacts://host/a", "file://host/a"])
def test_no_address_of_a_received_store_is_sent_to(address: str, client: MlflowClient, tmp_path: Path) -> None:
    run = start_run(client)
    move(tmp_path / "output", address)
    with pytest.raises(UserError, match=f"are meant to go to {address}"):
        keep_inside(tmp_path / "output", "Default", run)


def test_no_link_in_a_received_output_is_followed_out_of_it(client: MlflowClient, tmp_path: Path) -> None:
    run = start_run(client)
    (tmp_path / "output" / "mlartifacts").symlink_to(tmp_path)
    with pytest.raises(UserError, match="leads out of the output: remove the link"):
        keep_inside(tmp_path / "output", "Default", run)

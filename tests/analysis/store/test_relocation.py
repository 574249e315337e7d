"""Artifact addresses that were recorded on another machine."""

from pathlib import Path

import pytest

from trialmaker.analysis.store.relocation import Relocation

NOWHERE = "file:///merged/left-out"
# the recorded address, a folder beside the store, where the artifacts are now (None: nowhere that is looked into)
CASES = [
    ("file:///opt/ai/output/mlartifacts/mnist/r", "mlartifacts/mnist/r", "mlartifacts/mnist/r"),
    ("/opt/ai/output/mlartifacts/mnist/r", "mlartifacts/mnist/r", "mlartifacts/mnist/r"),
    ("file:///opt/out%20put/mlartifacts/a%25b/r", "mlartifacts/a%b/r", "mlartifacts/a%b/r"),
    ("file:///opt/output/mlartifacts/mnist/none", "mlartifacts/mnist/r", "mlartifacts/mnist/none"),  # it left no files
    ("/data/mlartifacts/backup/mlartifacts/m/r", "mlartifacts/m/r", "mlartifacts/m/r"),
    ("/data/mlartifacts/backup/mlartifacts/m/none", "mlartifacts/m/r", "mlartifacts/m/none"),
    ("./mlruns/0/r/artifacts", "mlruns/0/r/artifacts", "mlruns/0/r/artifacts"),
    ("./artifacts/1/abc/artifacts", "artifacts/1/abc/artifacts", "artifacts/1/abc/artifacts"),
    ("mlflow-artifacts:/1/r/artifacts", "mlartifacts/1/r/artifacts", "mlartifacts/1/r/artifacts"),
    ("/other/store/1/def/artifacts", "artifacts/1/abc/artifacts", None),
    ("/mnt/big/runs/7/logs", "logs/7", None),
    ("s3://bucket/mlartifacts/1/r", "mlartifacts/1/r", None),
    ("https://host/mlartifacts/1/r", "mlartifacts/1/r", None),
    ("models:/../../etc", "mlartifacts/1/r", None),
    ("runs:/0/../../etc", "mlartifacts/1/r", None),
    ("file://host/mlartifacts/../etc", "mlartifacts/1/r", None),
    ("/etc/\0", "mlartifacts/1/r", None),
    ("file:///home/me/.ssh", ".ssh", None),
    ("file:///opt/mlartifacts/../../etc", "mlartifacts/1/r", None),
    ("http://[", "mlartifacts/1/r", None),
    ("", "mlartifacts/1/r", None),
]


@pytest.mark.parametrize(("address", "beside", "now"), CASES)
def test_an_address(tmp_path: Path, address: str | None, beside: str, now: str | None) -> None:
    (tmp_path / beside).mkdir(parents=True)
    expected = NOWHERE if now is None else (tmp_path / now).as_uri()
    relocated = Relocation(tmp_path, NOWHERE)
    assert relocated(address) == relocated(address) == expected


@pytest.mark.parametrize("address", [None, "models:/m-1", "runs:/" + 32 * "0" + "/model"])
def test_what_mlflow_looks_up_by_an_id_stays(tmp_path: Path, address: str | None) -> None:
    assert Relocation(tmp_path, NOWHERE)(address) == address


def test_an_address_whose_files_still_exist_there_is_none_unless_they_are_here(tmp_path: Path) -> None:
    there = tmp_path / "shared" / "mlruns" / "3" / "x"
    there.mkdir(parents=True)
    here = tmp_path / "output"
    (here / "mlruns").mkdir(parents=True)
    assert Relocation(here, NOWHERE)(str(there)) == NOWHERE
    (here / "mlruns" / "3" / "x").mkdir(parents=True)
    assert Relocation(here, NOWHERE)(str(there)) == (here / "mlruns" / "3" / "x").as_uri()

"""Artifact addresses that were recorded on another machine."""

from pathlib import Path

import pytest

from trialmaker.analysis.store.relocation import Relocation

# the recorded address, a folder beside the store, where the artifacts are now (None: the address is unchanged)
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
    ("models:/m-1", "mlartifacts/1/r", None),
    ("file:///opt/mlartifacts/../../etc", "mlartifacts/1/r", None),
    ("http://[", "mlartifacts/1/r", None),
    ("", "mlartifacts/1/r", None),
    (None, "mlartifacts/1/r", None),
]


@pytest.mark.parametrize(("address", "beside", "now"), CASES)
def test_an_address(tmp_path: Path, address: str | None, beside: str, now: str | None) -> None:
    (tmp_path / beside).mkdir(parents=True)
    expected = address if now is None else (tmp_path / now).as_uri()
    relocated = Relocation(tmp_path)
    assert relocated(address) == relocated(address) == expected


def test_an_address_whose_files_still_exist_there_stays_unless_they_are_here(tmp_path: Path) -> None:
    there = tmp_path / "shared" / "mlruns" / "3" / "x"
    there.mkdir(parents=True)
    here = tmp_path / "output"
    (here / "mlruns").mkdir(parents=True)
    assert Relocation(here)(str(there)) == str(there)
    (here / "mlruns" / "3" / "x").mkdir(parents=True)
    assert Relocation(here)(str(there)) == (here / "mlruns" / "3" / "x").as_uri()

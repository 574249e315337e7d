"""The search for outputs, and their labels."""

import os
from pathlib import Path

import pytest
from mlflow import MlflowClient

from support.outputs import create_store, merge_outputs, start_run
from trialmaker.analysis.store import outputs
from trialmaker.errors import UserError


def test_a_missing_place_is_the_persons_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        outputs.find([tmp_path / "V0009", tmp_path])
    assert error.value.mistakes == (f"{tmp_path / 'V0009'}: there is no such directory",)


def test_a_folder_that_cannot_be_entered_is_skipped(tmp_path: Path) -> None:
    start_run(create_store(tmp_path / "a"))
    (tmp_path / "b").mkdir(mode=0o000)
    for folder in (tmp_path, *list(tmp_path.parents)[:-2]):
        folder.chmod(folder.stat().st_mode | 0o055)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        found_outputs, skipped_outputs = outputs.find([tmp_path])
    finally:
        os.seteuid(user)
        (tmp_path / "b").chmod(0o755)
    assert [output.label for output in found_outputs] == ["a"]
    assert list(map(str, skipped_outputs)) == [f"skipped {tmp_path / 'b'}: cannot be looked into: Permission denied"]


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


def test_labels_change_when_an_output_is_added(tmp_path: Path) -> None:
    run = start_run(create_store(tmp_path / "a" / "V0001"))
    merge_outputs([tmp_path], tmp_path / "store")
    second = start_run(create_store(tmp_path / "b" / "V0001"))
    merge_outputs([tmp_path], tmp_path / "store")
    client = MlflowClient(f"sqlite:///{tmp_path / 'store' / 'mlflow.db'}")
    assert [client.get_run(one).data.tags["trialmaker.output"] for one in (run, second)] == ["a/V0001", "b/V0001"]

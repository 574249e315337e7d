"""The merged store: changes by people and by outputs, and folders that cannot hold one."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from support.outputs import create_store, file_digests, merge_outputs, read_runs, start_run
from trialmaker.analysis.store import outputs
from trialmaker.analysis.store.merging import merge
from trialmaker.errors import UserError


def test_a_change_of_the_output_overrides_that_of_a_person(tmp_path: Path) -> None:
    """What the output did not change stays as people changed it."""
    source = create_store(tmp_path / "place")
    run = start_run(source, a="1", b="1", c="1")
    other = start_run(source)
    source.delete_run(other)
    merge_outputs([tmp_path / "place"], tmp_path / "store")
    person = MlflowClient(f"sqlite:///{tmp_path / 'store' / 'mlflow.db'}")
    person.update_run(run, name="my name")
    person.set_tag(run, "a", "mine")
    person.set_tag(run, "b", "mine")
    person.rename_experiment("0", "my experiment")
    source.set_tag(run, "b", "2")
    source.delete_tag(run, "c")
    source.restore_run(other)
    source.log_metric(run, "val_accuracy", 0.7, step=2)
    merge_outputs([tmp_path / "place"], tmp_path / "store")
    contents = read_runs(tmp_path / "store" / "mlflow.db")
    assert contents[run]["info"][0] == contents[run]["tags"]["mlflow.runName"] == "my name"
    assert {name: contents[run]["tags"].get(name) for name in "abc"} == {"a": "mine", "b": "2", "c": None}
    assert (contents[run]["experiment"], contents[other]["info"][-1]) == ("my experiment", "active")


def test_a_merged_store_is_no_output_and_an_output_is_no_merged_store(tmp_path: Path) -> None:
    run = start_run(create_store(tmp_path / "place"))
    merge_outputs([tmp_path], tmp_path / "store")
    merge_outputs([tmp_path], tmp_path / "store")
    assert [output.label for output in outputs.find([tmp_path])[0]] == ["place"]
    before = file_digests(tmp_path / "place")
    for store in (tmp_path / "place", tmp_path / "another"):
        if store.name == "another":
            create_store(store)
        with pytest.raises(UserError, match="holds a store that is not a merged one"):
            merge(outputs.find([tmp_path / "place"])[0], store)
    assert file_digests(tmp_path / "place") == before
    assert list(read_runs(tmp_path / "store" / "mlflow.db")) == [run]


@pytest.mark.parametrize("name", ["a?b", "a#b", "a%20b"])
def test_a_path_that_mlflow_addresses_cannot_hold_is_refused(tmp_path: Path, name: str) -> None:
    start_run(create_store(tmp_path / "place"))
    with pytest.raises(UserError, match="must be a path without"):
        merge(outputs.find([tmp_path / "place"])[0], tmp_path / name)
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("content", ["", "garbage" * 1000])
def test_a_broken_merged_store_is_one_line(tmp_path: Path, content: str) -> None:
    start_run(create_store(tmp_path / "place"))
    merge_outputs([tmp_path / "place"], tmp_path / "store")
    (tmp_path / "store" / "mlflow.db").write_text(content)
    with pytest.raises(UserError, match=r"store: cannot hold the merged store: .*; remove it, or name another one"):
        merge_outputs([tmp_path / "place"], tmp_path / "store")

"""Which version of a folder is taken, and which files make one."""

import json
from pathlib import Path

import pytest

from trialmaker.errors import UserError
from trialmaker.model_store.catalog import superseded_versions
from trialmaker.model_store.versions import (
    BEST_FILE,
    CARD_FILE,
    CLASS_NAMES_FILE,
    REQUIRED_FILES,
    choose_version,
    find_version,
    version_numbers,
)

BROKEN_RECORDS = [
    "",
    "[]",
    "{",
    "null",
    '{"version": "9"}',
    '{"version": [9]}',
    '{"version": true}',
    "[" * 100_000,
    "\0",
]


def make_version(directory: Path, missing_file: str = "", run_id: str = "") -> None:
    for file in REQUIRED_FILES:
        if file != missing_file:
            (directory / file).parent.mkdir(parents=True, exist_ok=True)
            (directory / file).write_text('["a", "b"]')
    if run_id:
        (directory / CARD_FILE).parent.mkdir()
        (directory / CARD_FILE).write_text(json.dumps({"run_id": run_id, "version": int(directory.name)}))


def write_best(folder: Path, version: int) -> None:
    (folder / BEST_FILE).write_text(json.dumps({"version": version, "metrics": {}}))


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        ([], []),
        (["10", "9", "1"], [1, 9, 10]),
        (["0", "007"], [0, 7]),
        (["٣", "²", "-1", "+2", "1_0", "1.0", " 4", "v5"], []),  # int() takes some of them
        ([".6", ".3b9f0c"], []),
    ],
)
def test_version_numbers_are_folders_named_by_ascii_digits(
    tmp_path: Path, names: list[str], numbers: list[int]
) -> None:
    for name in names:
        (tmp_path / name).mkdir()
    (tmp_path / "8").write_text("a file")
    assert version_numbers(tmp_path) == numbers


def test_a_folder_that_cannot_be_read_has_no_versions(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "nowhere"):
        assert version_numbers(path) == [] and choose_version(path) is None


@pytest.mark.parametrize(("best", "number"), [(None, 12), (9, 9), (12, 12), (13, 12), (3, 12)])
def test_the_best_complete_version_is_chosen_else_the_newest(tmp_path: Path, best: int | None, number: int) -> None:
    for name in ("9", "12", "٣"):
        make_version(tmp_path / name)
    make_version(tmp_path / "13", missing_file="variables/variables.index")  # half copied
    make_version(tmp_path / ".14")  # being published
    if best:
        write_best(tmp_path, best)
    assert choose_version(tmp_path) == tmp_path / str(number)


def test_a_number_with_zeros_before_it_is_not_chosen(tmp_path: Path) -> None:
    make_version(tmp_path / "007")
    assert choose_version(tmp_path) is None
    make_version(tmp_path / "6")
    assert choose_version(tmp_path) == tmp_path / "6"


@pytest.mark.parametrize("text", BROKEN_RECORDS)
def test_a_broken_record_of_the_best_does_not_matter(tmp_path: Path, text: str) -> None:
    for name in ("1", "9"):
        make_version(tmp_path / name, run_id="run")
    (tmp_path / BEST_FILE).write_text(text)
    assert choose_version(tmp_path) == tmp_path / "9"
    assert find_version(tmp_path).number == 9


@pytest.mark.parametrize(
    ("path", "best", "number"),
    [
        ("output", None, 12),  # 12 after 9
        ("output/model", None, 12),
        ("output/model/9", None, 9),
        ("output", 9, 9),
        ("output", 3, 12),  # best.json names one that is gone
        ("output/model/12", 9, 12),
    ],
)
def test_the_version_that_is_served(tmp_path: Path, path: str, best: int | None, number: int) -> None:
    for name in ("9", "12"):
        make_version(tmp_path / "output" / "model" / name)
    if best:
        write_best(tmp_path / "output" / "model", best)
    version = find_version(tmp_path / path)
    assert (version.number, version.directory.name) == (number, str(number))
    assert bool(version.card) == (best == number)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("nowhere", "nowhere: holds no complete model; expected a published version (with saved_model.pb in it), "),
        ("1", "1: is no complete model, variables/variables.index missing; copy the whole folder"),
        ("2", f"2/{CLASS_NAMES_FILE}: is not the list of class names that training writes"),
        ("3", f"3/{CLASS_NAMES_FILE}: is not the list of class names that training writes (Expecting value: "),
    ],
)
def test_what_is_no_complete_version_is_an_error_that_says_why(tmp_path: Path, path: str, text: str) -> None:
    make_version(tmp_path / "1", missing_file="variables/variables.index")
    for name, class_names in (("2", '["a", 1]'), ("3", "a")):
        make_version(tmp_path / name)
        (tmp_path / name / CLASS_NAMES_FILE).write_text(class_names)
    with pytest.raises(UserError) as caught:
        find_version(tmp_path / path)
    assert str(caught.value).startswith(f"{tmp_path}/{text}")


def test_superseded_versions_are_those_of_the_run_but_for_the_best(tmp_path: Path) -> None:
    for name, run_id in (("1", "run"), ("2", "other"), ("3", "run"), ("4", "run"), ("5", ""), ("007", "run")):
        make_version(tmp_path / name, run_id=run_id)
    assert list(superseded_versions(tmp_path, "run")) == []  # nobody knows the best
    write_best(tmp_path, 3)
    assert list(superseded_versions(tmp_path, "run")) == [tmp_path / "1", tmp_path / "4"]
    assert list(superseded_versions(tmp_path, "nobody")) == []
    for broken in ("{", '{"version": "3"}', '{"version": 6}'):  # the best version could be any of them
        (tmp_path / BEST_FILE).write_text(broken)
        assert list(superseded_versions(tmp_path, "run")) == []

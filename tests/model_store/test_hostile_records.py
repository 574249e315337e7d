"""The records beside a model that comes from somebody else: of any size, any type, with any characters."""

import json
import shutil
from pathlib import Path

import pytest

from trialmaker.errors import UserError
from trialmaker.model_store import catalog
from trialmaker.model_store.versions import BEST_FILE, CARD_FILE, CLASS_NAMES_FILE, REQUIRED_FILES, find_version
from trialmaker.platform.regular_files import MAX_TEXT_BYTES, read_text

CARD = {
    "run_id": "", "model": "mlp", "data": "mnist", "data_digest": "1", "objective": "val_accuracy",
    "direction": "maximize", "epoch": 1, "metrics": {"val_accuracy": 0.5, "val_loss": 1.0}, "version": 3,
}  # fmt: skip


@pytest.fixture
def version(tmp_path: Path) -> Path:
    folder = tmp_path / "model" / "3"
    for name in (*REQUIRED_FILES, CARD_FILE):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    (folder / CLASS_NAMES_FILE).write_text('["a", "b"]')
    (folder / CARD_FILE).write_text(json.dumps(CARD))
    return folder


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["a", "\x1b]0;title\x07"], r"found '\x1b]0;title\x07'"),
        (["a", "b\nc"], r"found 'b\nc'"),
        (["a", "\ud800"], r"found '\ud800'"),
        (["a", "b" * 300], f"found '{'b' * 255}'"),
        (["a", 1], "the list of class names that training writes"),
        ({"a": 1}, "the list of class names that training writes"),
        ([], "the list of class names that training writes"),
    ],
)
def test_class_names_that_are_none_are_a_line(names: object, reason: str, version: Path) -> None:
    (version / CLASS_NAMES_FILE).write_text(json.dumps(names))
    with pytest.raises(UserError) as caught:
        find_version(version)
    assert str(caught.value).isprintable() and str(caught.value).endswith(reason)


def test_a_record_of_any_size_is_not_read(version: Path) -> None:
    assert find_version(version).card == CARD
    for name in (CARD_FILE, f"../{BEST_FILE}", CLASS_NAMES_FILE):
        with (version / name).open("w") as file:
            file.truncate(1 << 40)  # without a block on the disk
    with pytest.raises(OSError, match="is larger than"):
        read_text(version / CARD_FILE)
    with pytest.raises(UserError, match=r"class_names.json: is not the list of class names .*is larger than"):
        find_version(version)
    (version / CLASS_NAMES_FILE).write_text('["a", "b"]')
    assert find_version(version).card == {}
    with pytest.raises(UserError, match=r"best.json: is not the record of a best model \(.*is larger than"):
        catalog.read_best(version.parent)
    (version / CARD_FILE).write_text(json.dumps(CARD) + " " * (MAX_TEXT_BYTES - 1000))
    assert find_version(version).card == CARD


@pytest.mark.parametrize(
    "change",
    [
        {"version": "../../elsewhere"},
        {"version": True},
        {"version": -1},
        {"version": 10**40},
        {"epoch": "1"},
        {"model": {"a": 1}},
        {"data": None},
        {"direction": 1},
        {"run_key": []},
        {"metrics": []},
        {"metrics": {"val_accuracy": 10**400, "val_loss": 1}},
        {"metrics": {"val_accuracy": "nan", "val_loss": 1}},
        {"metrics": {"val_accuracy": 0.5, "val_loss": 1, "test_loss": [1]}},
    ],
)
def test_a_record_of_other_types_is_no_card(change: dict, version: Path) -> None:
    (version.parent / BEST_FILE).write_text(json.dumps(CARD))
    assert catalog.read_best(version.parent) and len(catalog.read_cards(version.parent)) == 1
    (version.parent / BEST_FILE).write_text(json.dumps(CARD | change))
    with pytest.raises(UserError, match="is not the record of a best model"):
        catalog.read_best(version.parent)
    (version / CARD_FILE).write_text(json.dumps(CARD | change))
    assert len(catalog.read_cards(version.parent)) == ("version" in change)  # a folder's number is its name
    alone = shutil.copytree(version, version.parents[1] / "alone")
    assert str(find_version(alone)) and (find_version(alone).number == 1 or "version" not in change)


def test_numbers_are_those_that_tensorflow_serving_takes(version: Path) -> None:
    version.rename(version.with_name("9" * 30))
    with pytest.raises(UserError, match="holds no complete model"):
        find_version(version.parent)

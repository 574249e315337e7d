"""Which version is the best, and which one is served, when one folder holds models of several data sets."""

import json
import shutil
import threading
import uuid
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from support.waiting import HANG_SECONDS, wait_until
from trialmaker.errors import UserError
from trialmaker.model_store import publishing
from trialmaker.model_store.card import Card
from trialmaker.model_store.catalog import read_best, read_cards, served_text, superseded_versions, write_best
from trialmaker.model_store.publisher import Publisher
from trialmaker.model_store.saved_model import Exportable
from trialmaker.model_store.versions import CARD_FILE, find_version, version_numbers
from trialmaker.model_store.weights_source import find_weights
from trialmaker.training.events import EpochDone

# As a release before cards lay in the versions' folders wrote it.
OLD_RECORD = """{
  "run_id": "5b0a4d4e0f5c4d0b8a9f3f6d2c1e7a90",
  "model": "cnn",
  "data": "mnist",
  "data_digest": "mnist whole",
  "objective": "val_accuracy",
  "direction": "maximize",
  "epoch": 3,
  "metrics": {
    "loss": 0.05,
    "val_loss": 0.06,
    "val_accuracy": 0.984,
    "test_accuracy": 0.98
  },
  "version": 4
}
"""


def tiny_model() -> keras.Model:
    return keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(2)])


def card(data: str, value: float, **changes: Any) -> Card:
    """The card of a model; the validation examples are those of the data set's name."""
    metrics = {"val_accuracy": value, "val_loss": 1 - value}
    made = Card("", "mlp", data, f"{data} whole", "val_accuracy", "maximize", 1, metrics, 0, f"{data} validation")
    return replace(made, **changes)


BY_LOSS = {"objective": "val_loss", "direction": "minimize"}


def publisher(folder: Path, template: Card, **options: Any) -> Publisher:
    def write(event: EpochDone) -> Card:
        return replace(template, epoch=event.epoch, metrics=event.metrics)

    options = {"run_id": lambda: "an id", "run_key": uuid.uuid4().hex} | options
    return Publisher(tiny_model(), ("a", "b"), write, directory=folder, **options)


def epoch(value: float, number: int = 1) -> EpochDone:
    return EpochDone(number, {"val_accuracy": value, "val_loss": 1 - value}, tiny_model().get_weights())


def run(folder: Path, template: Card) -> str | None:
    """Publish what a run of one epoch reaches; return what it says of the data that is served."""
    with publisher(folder, template) as listener:
        listener(epoch(template.metrics["val_accuracy"]))
    listener.record_run_id("an id")
    return served_text(folder, listener.best.version) if listener.served_before and listener.best else None


@pytest.mark.parametrize(
    ("runs", "served", "versions"),
    [
        ([card("mnist", 0.98)], 1, {1: 0.98}),
        ([card("mnist", 0.98), card("mnist", 0.97)], 1, {1: 0.98}),
        ([card("mnist", 0.98), card("mnist", 0.99)], 2, {1: 0.98, 2: 0.99}),
        ([card("mnist", 0.98), card("digits", 0.5)], 2, {1: 0.98, 2: 0.5}),
        ([card("mnist", 0.984), card("digits", 0.99), card("mnist", 0.9698)], 3, {2: 0.99, 3: 0.984}),
        ([card("mnist", 0.9), card("digits", 0.8), card("mnist", 0.7), card("digits", 0.6)], 4, {3: 0.9, 4: 0.8}),
        ([card("mnist", 0.98), card("digits", 0.5), card("mnist", 0.99)], 3, {1: 0.98, 2: 0.5, 3: 0.99}),
        ([card("mnist", 0.98), card("mnist", 0.9, validation_digest="another seed's")], 2, {1: 0.98, 2: 0.9}),
        ([card("mnist", 0.98), card("mnist", 0.9, data_digest="more training examples")], 1, {1: 0.98}),
        ([card("mnist", 0.98), card("mnist", 0.9, **BY_LOSS), card("mnist", 0.8, **BY_LOSS)], 2, {1: 0.98, 2: 0.9}),
        ([card("mnist", 0.98), card("mnist", 0.9, **BY_LOSS), card("mnist", 0.97)], 3, {2: 0.9, 3: 0.98}),
        ([card("mnist", 0.98, validation_digest=""), card("mnist", 0.97)], 1, {1: 0.98}),
        ([card("mnist", 0.98, validation_digest=""), card("digits", 0.97)], 2, {1: 0.98, 2: 0.97}),
    ],
)  # fmt: skip
def test_the_best_of_the_latest_runs_data_is_served(
    tmp_path: Path, runs: Sequence[Card], served: int, versions: dict[int, float]
) -> None:
    for one in runs:
        run(tmp_path, one)
    assert {one.version: one.metrics["val_accuracy"] for one in read_cards(tmp_path)} == versions
    assert find_version(tmp_path).number == served == max(version_numbers(tmp_path))  # TensorFlow Serving's choice too
    record = json.loads((tmp_path / "best.json").read_text())
    assert record["version"] == served and set(record) - {"versions"} == set(asdict(runs[0]))
    assert record["versions"] == {str(one.version): asdict(one) for one in read_cards(tmp_path)}
    assert find_weights(tmp_path) == tmp_path / str(served)
    (tmp_path / "best.json").unlink()  # the cards remain
    assert {one.version: one.metrics["val_accuracy"] for one in read_cards(tmp_path)} == versions
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".") and path.is_dir()]


def test_a_change_of_the_data_that_is_served_is_a_line(tmp_path: Path) -> None:
    folder = tmp_path / "a model"
    assert run(folder, card("mnist", 0.984)) is None
    assert run(folder, card("digits", 0.99)) == (
        "serves model/2 (digits, val_accuracy=0.9900);"
        f" model/1 is of mnist: --model-dir '{folder}/1'"
    )  # fmt: skip
    assert run(folder, card("digits", 0.98)) is None
    assert run(folder, card("mnist", 0.9, **BY_LOSS)) == (
        "serves model/3 (mnist, val_loss=0.1000);"
        f" model/2 is of digits: --model-dir '{folder}/2';"
        f" model/1 is best by val_accuracy: --model-dir '{folder}/1'"
    )
    assert run(folder, card("mnist", 0.9698)) == (
        "serves model/4 (mnist, val_accuracy=0.9840);"
        f" model/3 is best by val_loss: --model-dir '{folder}/3';"
        f" model/2 is of digits: --model-dir '{folder}/2'"
    )
    text = run(folder, card("mnist", 0.5, validation_digest="another"))
    assert text and f"model/4 is of other validation examples of mnist: --model-dir '{folder}/4'" in text


def test_a_run_on_other_data_takes_no_turns_with_a_concurrent_one(tmp_path: Path) -> None:
    run(tmp_path, card("mnist", 0.98))
    with publisher(tmp_path, card("mnist", 0)) as first, publisher(tmp_path, card("digits", 0)) as second:
        for number, value in enumerate((0.1, 0.2, 0.3), start=1):
            first(epoch(value, number))
            wait_until(lambda: first.best)
            second(epoch(value, number))
            wait_until(lambda value=value: second.own_best and second.own_best.value == value)
    assert [(one.version, one.data) for one in read_cards(tmp_path)] == [(1, "mnist"), (4, "digits")]
    assert (first.version_directory, second.version_directory) == (None, tmp_path / "4")


def test_a_version_that_is_removed_counts_no_more(tmp_path: Path) -> None:
    for value in (0.7, 0.9):
        run(tmp_path, card("mnist", value))
    shutil.rmtree(tmp_path / "2")
    run(tmp_path, card("mnist", 0.6))
    best = read_best(tmp_path)
    assert best and (best.version, best.value) == (1, 0.7)
    shutil.rmtree(tmp_path / "1")
    run(tmp_path, card("mnist", 0.5))
    assert [(one.version, one.value) for one in read_cards(tmp_path)] == [(1, 0.5)]


@pytest.mark.parametrize(
    ("new", "served", "versions"),
    [
        (card("mnist", 0.97), 4, [4]),
        (card("mnist", 0.99), 5, [4, 5]),
        (card("mnist", 0.97, data_digest="another split"), 5, [4, 5]),
        (card("digits", 0.5), 5, [4, 5]),
    ],
)
def test_the_record_of_an_earlier_release_is_read(tmp_path: Path, new: Card, served: int, versions: list[int]) -> None:
    Exportable(tiny_model(), ("a", "b")).export(tmp_path / "4")
    (tmp_path / "best.json").write_text(OLD_RECORD)
    assert find_version(tmp_path).metrics["test_accuracy"] == 0.98
    run(tmp_path, new)
    best = read_best(tmp_path)
    assert best and best.version == served
    assert [one.version for one in read_cards(tmp_path)] == versions
    if served != 4:  # its card must outlive the record
        old = json.loads(OLD_RECORD)
        unknown = dict.fromkeys(("validation_digest", "run_key", "study", "stopped_by"), "")
        assert json.loads((tmp_path / "4" / CARD_FILE).read_text()) == old | unknown


def test_the_best_of_each_data_is_not_superseded(tmp_path: Path) -> None:
    for one in (card("mnist", 0.9), card("mnist", 0.95), card("digits", 0.5), card("digits", 0.6)):
        run(tmp_path, replace(one, run_id="run"))
    for number in version_numbers(tmp_path):
        path = tmp_path / str(number) / CARD_FILE
        path.write_text(json.dumps(json.loads(path.read_text()) | {"run_id": "run"}))
    assert list(superseded_versions(tmp_path, "run")) == [tmp_path / "1", tmp_path / "3"]


# ---- a run that was killed in the midst of publishing


@pytest.mark.parametrize("record", ["missing", "of the earlier version", "of a version that is gone"])
@pytest.mark.parametrize("offered", [0.7, 0.6])
def test_a_run_that_goes_on_names_its_own_version(tmp_path: Path, record: str, offered: float) -> None:
    """As after a kill between a version's rename and ``best.json``; the checkpoint may be older than the version."""
    run(tmp_path, card("digits", 0.9))
    run(tmp_path, card("mnist", 0.5))
    earlier = (tmp_path / "best.json").read_text()
    with publisher(tmp_path, card("mnist", 0), run_key="mine", run_id=lambda: "") as killed:  # adds nothing later
        killed(epoch(0.7))
    assert killed.version_directory == tmp_path / "3"
    if record == "missing":
        (tmp_path / "best.json").unlink()
    else:
        (tmp_path / "best.json").write_text(earlier)
    if record == "of a version that is gone":
        shutil.rmtree(tmp_path / "2")
    with publisher(tmp_path, card("mnist", 0), run_key="mine", run_id=lambda: "") as listener:
        listener(epoch(offered))
    best = read_best(tmp_path)
    assert best and (best.version, best.run_key, best.value) == (3, "mine", 0.7)
    assert best == listener.best == listener.own_best and listener.version_directory == tmp_path / "3"
    assert find_version(tmp_path).number == max(version_numbers(tmp_path)) == 3


def test_a_folder_that_is_removed_meanwhile_is_not_made_again(tmp_path: Path) -> None:
    run(tmp_path, card("digits", 0.9))
    run(tmp_path, card("mnist", 0.5))
    cards = read_cards(tmp_path)
    shutil.rmtree(tmp_path / "1")
    write_best(cards[1], cards, tmp_path)
    assert version_numbers(tmp_path) == [2] and not (tmp_path / "1").exists()


@pytest.mark.parametrize("is_there", [False, True], ids=["no best.json", "best.json of what is removed"])
def test_what_is_removed_is_not_named(tmp_path: Path, is_there: bool) -> None:
    run(tmp_path, card("digits", 0.9))
    exportable = Exportable(tiny_model(), ("a", "b"))
    publishing.publish(exportable, card("mnist", 0.5, run_key="mine"), tmp_path)
    record = (tmp_path / "best.json").read_text()
    last = publishing.publish(exportable, card("mnist", 0.6, run_key="mine"), tmp_path)
    (tmp_path / "best.json").write_text(record) if is_there else (tmp_path / "best.json").unlink()
    publishing.remove_replaced(tmp_path, "mine")
    assert (version_numbers(tmp_path), read_best(tmp_path)) == ([1, 3], last)
    assert set(json.loads((tmp_path / "best.json").read_text())["versions"]) == {"1", "3"}


# ---- what is not published


@pytest.mark.parametrize(("withheld", "versions"), [("the trial was pruned", [1]), ("", [1, 2])])
def test_a_trial_publishes_when_it_is_known_that_it_is_not_pruned(
    tmp_path: Path, withheld: str, versions: list[int]
) -> None:
    run(tmp_path, card("mnist", 0.5))
    with publisher(tmp_path, card("mnist", 0), at_end=True) as listener:
        listener(epoch(0.9))
        assert version_numbers(tmp_path) == [1]
        listener.withhold(withheld)
    assert version_numbers(tmp_path) == versions
    image = np.ones((1, 2, 2, 1), np.float32)
    assert find_version(listener.export(tmp_path / "elsewhere")) and image.any()


def test_a_trial_that_fails_publishes_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nan"), publisher(tmp_path, card("mnist", 0), at_end=True) as listener:
        listener(epoch(0.9))
        raise UserError("loss became nan")
    assert version_numbers(tmp_path) == []


# ---- the run's id


def test_publishing_does_not_wait_for_the_runs_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "REPLACED_SECONDS", 0.0)
    answer = threading.Event()

    def run_id() -> str:
        assert answer.wait(HANG_SECONDS)
        return "late"

    with publisher(tmp_path, card("mnist", 0), run_id=run_id) as listener:
        listener(epoch(0.5, 1))
        wait_until(lambda: version_numbers(tmp_path) == [1] and listener.own_best)
        assert [one.run_id for one in read_cards(tmp_path)] == [""]
        run(tmp_path, card("digits", 0.5))
        listener(epoch(0.6, 2))
        wait_until(lambda: version_numbers(tmp_path) == [2, 3])  # its own earlier version is gone
        answer.set()
        wait_until(lambda: [one.run_id for one in read_cards(tmp_path)] == ["an id", "late"])
        wait_until(lambda: getattr(read_best(tmp_path), "run_id", "") == "late")
        listener(epoch(0.7, 3))
    assert [(one.version, one.run_id) for one in read_cards(tmp_path)] == [(2, "an id"), (4, "late")]
    listener.record_test_metrics({"test_accuracy": 0.75})
    best = read_best(tmp_path)
    assert best and best.metrics["test_accuracy"] == 0.75


def test_a_store_that_refuses_hinders_no_publishing(tmp_path: Path) -> None:
    def run_id() -> str:
        raise UserError("MLflow tracking at http://host failed")

    with publisher(tmp_path, card("mnist", 0), run_id=run_id) as listener:
        listener(epoch(0.5, 1))
        wait_until(lambda: listener.run_id_thread.ident and not listener.run_id_thread.is_alive())
        listener(epoch(0.6, 2))
    assert [(one.value, one.run_id) for one in read_cards(tmp_path)] == [(0.6, "")]

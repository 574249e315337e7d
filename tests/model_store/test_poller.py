"""Who loads every model that it sees, as TensorFlow Serving does, meets no half one and none that vanishes at once."""

import filecmp
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from trialmaker.model_store import publishing, saved_model
from trialmaker.model_store.card import Card
from trialmaker.model_store.catalog import read_best
from trialmaker.model_store.saved_model import Exportable
from trialmaker.model_store.versions import CLASS_NAMES_FILE, REQUIRED_FILES, choose_version, version_numbers
from trialmaker.models import registry

PUBLICATIONS = 200
LOADED = 10  # of how many versions that the poller sees TensorFlow loads one
CARD = Card("run", "mlp", "shapes", "digest", "val_accuracy", "maximize", 3, {"val_accuracy": 0.0, "val_loss": 1.0})
FIELDS = {
    "hidden_units": [2],
    "activation": "relu",
    "dropout_rate": 0.0,
    "batch_norm": False,
    "initializer": "glorot_uniform",
}
IMAGE = np.zeros((1, 2, 2, 1), np.float32)


class Copier:
    """An export of a model that was exported before, in a fiftieth of the time."""

    def __init__(self, source: Path) -> None:
        self.source = source

    def export(self, directory: Path) -> None:
        shutil.copytree(self.source, directory)


def highest(folder: Path) -> Path | None:
    """The version that TensorFlow Serving takes."""
    numbers = version_numbers(folder)
    return folder / str(numbers[-1]) if numbers else None


class Poller:
    """A thread that reads, again and again, the versions that are chosen; some of them TensorFlow loads."""

    def __init__(self, folder: Path, source: Path) -> None:
        self.folder, self.source = folder, source
        self.choices: tuple[Callable[[Path], Path | None], ...] = (highest, choose_version)
        self.seen: set[str] = set()
        self.loaded = 0
        self.failures: list[str] = []
        self.is_ending = False
        self.thread = threading.Thread(target=self.poll)

    def __enter__(self) -> "Poller":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_ending = True
        self.thread.join()

    def poll(self) -> None:
        while not self.is_ending:
            for choose in self.choices:
                if version := choose(self.folder):
                    self.load(version)

    def load(self, version: Path) -> None:
        is_new, before = version.name not in self.seen, len(self.failures)
        self.seen.add(version.name)
        try:
            _, different, missing = filecmp.cmpfiles(self.source, version, REQUIRED_FILES, shallow=False)
            if different or missing:
                self.failures.append(f"{version.name}: {different} differ, {missing} cannot be read")
            if is_new and len(self.seen) % LOADED == 0:
                self.loaded += np.isfinite(saved_model.load(version).probabilities(IMAGE)).all()
        except Exception as error:
            self.failures[before:] = [f"{version.name}: {type(error).__name__}: {error}"]


def test_a_poller_loads_every_model_that_it_sees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "REPLACED_SECONDS", 1.5)
    model = registry.builder("mlp")(input_shape=IMAGE.shape[1:], num_classes=2, **FIELDS)
    source, folder = tmp_path / "source", tmp_path / "model"
    Exportable(model, ("no", "yes")).export(source)
    publishing.prepare(folder)
    with Poller(folder, source) as poller:
        for number in range(PUBLICATIONS):
            metrics = {"val_accuracy": (number + 1) / PUBLICATIONS, "val_loss": 1.0}
            publishing.publish(Copier(source), replace(CARD, metrics=metrics, run_key="one"), folder)  # type: ignore[arg-type]
            time.sleep(0.01)
    assert poller.failures == []
    assert len(poller.seen) >= PUBLICATIONS / 2 and poller.loaded >= PUBLICATIONS / 2 / LOADED
    assert len(version_numbers(folder)) < PUBLICATIONS, "none was removed while it could be seen"
    publishing.remove_replaced(folder, "one")
    best = read_best(folder)
    assert best and version_numbers(folder) == [best.version] == [PUBLICATIONS]
    assert (folder / str(best.version) / CLASS_NAMES_FILE).exists()

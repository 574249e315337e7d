"""The form of a deployed model, when it is published, and that a number never names half a model."""

import json
import multiprocessing
import os
import shutil
import time
import uuid
from dataclasses import asdict, replace
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import yaml

from support.garbage_searches import searches_among_graphs
from support.waiting import HANG_SECONDS, wait_until
from trialmaker.errors import UserError
from trialmaker.model_store import publishing, saved_model
from trialmaker.model_store.card import Card
from trialmaker.model_store.catalog import read_best, read_cards, write_best, write_card
from trialmaker.model_store.litert import compile_for_litert
from trialmaker.model_store.publisher import Publisher
from trialmaker.model_store.saved_model import Exportable
from trialmaker.model_store.versions import find_version, version_numbers
from trialmaker.models import registry
from trialmaker.platform.paths import CONF
from trialmaker.serving import predictor
from trialmaker.training.events import EpochDone

NAMES = ("null", "eins", "zwei 二")
CARD = Card("run", "mlp", "shapes", "digest", "val_accuracy", "maximize", 3, {"val_accuracy": 0.5, "val_loss": 1.0})


def model(bias=0.0):
    fields = {
        "hidden_units": [4],
        "activation": "relu",
        "dropout_rate": 0.2,
        "batch_norm": True,
        "initializer": "glorot_uniform",
    }
    built = registry.builder("mlp")(input_shape=(5, 6, 1), num_classes=3, **fields)
    built.get_layer("logits").bias.assign([bias, 0.0, 0.0])
    return built


def accuracy(value, **changes):
    return replace(CARD, metrics={"val_accuracy": value, "val_loss": 1.0}, **changes)


def test_a_version_answers_as_the_contract_says(tmp_path: Path):
    source = model()
    card = publishing.publish(Exportable(source, NAMES), CARD, tmp_path)
    loaded = tf.saved_model.load(str(tmp_path / str(card.version)))
    signature = loaded.signatures["serving_default"]
    (images,) = signature.structured_input_signature[1].values()
    assert (images.name, images.dtype, images.shape.as_list()) == ("images", tf.float32, [None, 5, 6, 1])
    pictures = np.random.default_rng(0).random((7, 5, 6, 1)).astype(np.float32)
    answer = signature(images=tf.constant(pictures))
    assert {name: (tensor.dtype, tensor.shape.as_list()) for name, tensor in answer.items()} == {
        "probabilities": (tf.float32, [7, 3]),
        "classes": (tf.int64, [7]),
    }
    expected = tf.nn.softmax(source(pictures, training=False))
    np.testing.assert_allclose(answer["probabilities"], expected, rtol=1e-5)
    np.testing.assert_array_equal(answer["classes"], np.argmax(expected, axis=1))
    published = saved_model.load(tmp_path / "1")
    assert published.class_names == NAMES
    np.testing.assert_allclose(published.probabilities(pictures), expected, rtol=1e-5)


def test_no_garbage_is_looked_for_while_a_graph_is_saved_loaded_or_converted(tmp_path: Path) -> None:
    """Another thread that did would wait for this one, and this one for it."""
    exportable = Exportable(model(), NAMES)
    with searches_among_graphs() as found:
        publishing.publish(exportable, CARD, tmp_path)
        compile_for_litert(tmp_path / "1")
        saved_model.load(tmp_path / "1")
    assert not found


def test_publishing_counts_versions_and_keeps_those_of_other_runs(tmp_path: Path):
    exportable = Exportable(model(), NAMES)
    first = publishing.publish(exportable, accuracy(0.1, run_key="a"), tmp_path)
    second = publishing.publish(exportable, accuracy(0.2, run_key="b"), tmp_path)
    third = publishing.publish(exportable, accuracy(0.3, run_key="b"), tmp_path)
    worse = publishing.publish(exportable, accuracy(0.2, run_key="c"), tmp_path)
    assert (first.version, second.version, third.version, worse) == (1, 2, 3, third)
    assert version_numbers(tmp_path) == [1, 2, 3]  # somebody may be loading the second one
    publishing.remove_replaced(tmp_path, "b")
    assert version_numbers(tmp_path) == [1, 3]
    assert read_best(tmp_path) == third
    assert json.loads((tmp_path / "best.json").read_text())["metrics"] == {"val_accuracy": 0.3, "val_loss": 1.0}
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "1", "3", "best.json"]


def test_a_best_whose_folder_is_gone_is_no_best(tmp_path: Path):
    write_best(replace(CARD, version=7), [], tmp_path)
    assert read_best(tmp_path) is None


WITHOUT_METRICS = json.dumps(asdict(replace(CARD, metrics={})))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"run_id": 1}', WITHOUT_METRICS, None])
def test_a_damaged_record_is_named_before_the_training(tmp_path: Path, text: str | None):
    path = tmp_path / "best.json"
    path.mkdir() if text is None else path.write_text(text)
    with pytest.raises(UserError, match=r"best\.json: is not the record of a best model"):
        publisher(tmp_path)


def test_what_a_killed_process_left_is_cleared_away(tmp_path: Path):
    for name, age_seconds in ((".old", 4000), (".new", 5)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (time.time() - age_seconds,) * 2)
    publishing.prepare(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".new"]


def test_what_an_interrupted_process_of_the_run_left_is_cleared_away_at_once(tmp_path: Path):
    for name in (".mine.half", ".other.half"):
        (tmp_path / name).mkdir()
    publishing.prepare(tmp_path, "mine")
    assert [path.name for path in tmp_path.iterdir()] == [".other.half"]


def test_what_is_no_published_model_is_named(tmp_path: Path):
    with pytest.raises(UserError) as caught:
        saved_model.load(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: is not a published model; expected saved_model.pb and assets/class_names.json in it"
    )


def test_an_export_that_fails_leaves_nothing(tmp_path: Path):
    class Broken(Exportable):
        def export(self, directory: Path) -> None:
            super().export(directory)
            raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        publishing.publish(Broken(model(), NAMES), CARD, tmp_path)
    assert list(tmp_path.iterdir()) == []


def publish_from_a_process(directory: str, run: int, both_are_ready: Barrier) -> None:
    exportable = Exportable(model(), NAMES)
    both_are_ready.wait(HANG_SECONDS)
    for value in range(3):
        publishing.publish(exportable, accuracy(run + value / 10, run_key=str(run)), Path(directory))


def test_processes_that_publish_at_once_agree_on_the_best(tmp_path: Path):
    context = multiprocessing.get_context("spawn")
    both_are_ready = context.Barrier(2)
    other = context.Process(target=publish_from_a_process, args=(str(tmp_path), 1, both_are_ready))
    other.start()
    publish_from_a_process(str(tmp_path), 2, both_are_ready)
    other.join(timeout=HANG_SECONDS)
    assert other.exitcode == 0
    best = read_best(tmp_path)
    assert best and best.metrics["val_accuracy"] == 2.2
    assert best.version == max(version_numbers(tmp_path))
    for version in version_numbers(tmp_path):
        saved_model.load(tmp_path / str(version))


def epoch(number, value, bias):
    return EpochDone(number, {"val_accuracy": value}, model(bias).get_weights())


def publisher(directory, run_id="mine"):
    def card(done: EpochDone) -> Card:
        return accuracy(done.metrics["val_accuracy"], run_id="")

    return Publisher(model(), NAMES, card, lambda: run_id, directory, run_key=uuid.uuid4().hex)


def test_the_publisher_leaves_the_best_epochs_weights(tmp_path: Path):
    with publisher(tmp_path) as listener:
        for number, bias in ((1, 5.0), (2, -5.0)):
            listener(epoch(number, number / 10, bias))
        listener(EpochDone(3, {"val_accuracy": 0.05}))
    assert listener.version_directory
    zeros = np.zeros((1, 5, 6, 1), np.float32)
    assert saved_model.load(listener.version_directory).probabilities(zeros)[0, 0] < 0.01
    listener.record_test_metrics({"test_accuracy": 0.9})
    assert read_best(tmp_path).metrics == {"val_accuracy": 0.2, "val_loss": 1.0, "test_accuracy": 0.9}
    assert len(version_numbers(tmp_path)) == 1


def test_a_failure_of_publishing_is_raised_by_the_next_call(tmp_path: Path):
    listener = publisher(tmp_path)
    (tmp_path / "best.json").write_text("damaged")
    listener(epoch(1, 0.1, 0.0))
    wait_until(lambda: listener.error)
    with pytest.raises(UserError, match="is not the record of a best model"), listener:
        listener(epoch(2, 0.2, 0.0))


def test_a_better_model_of_another_run_in_between_is_not_taken_for_this_runs(tmp_path: Path):
    with publisher(tmp_path, run_id="a") as listener:
        listener(epoch(1, 0.5, 0.0))
        wait_until(lambda: listener.own_best)
        other_best = publishing.publish(Exportable(model(), NAMES), accuracy(0.9, run_id="b"), tmp_path)
        listener(epoch(2, 0.7, 5.0))
    assert (listener.version_directory, listener.best) == (None, other_best)
    listener.record_test_metrics({"test_accuracy": 0.7})
    assert read_best(tmp_path) == other_best
    assert [card.metrics for card in read_cards(tmp_path)] == [accuracy(0.5).metrics, other_best.metrics]
    zeros = np.zeros((1, 5, 6, 1), np.float32)
    assert saved_model.load(listener.export(tmp_path / "elsewhere")).probabilities(zeros)[0, 0] > 0.9


def test_the_publisher_yields_to_a_better_model_of_an_earlier_run(tmp_path: Path):
    earlier = publishing.publish(Exportable(model(), NAMES), accuracy(0.9), tmp_path)
    with publisher(tmp_path) as listener:
        listener(epoch(1, 0.5, 5.0))
    listener.record_test_metrics({"test_accuracy": 0.9})
    assert (listener.version_directory, listener.best) == (None, earlier)
    assert read_best(tmp_path) == earlier
    exported = saved_model.load(listener.export(tmp_path / "elsewhere"))
    assert exported.probabilities(np.zeros((1, 5, 6, 1), np.float32))[0, 0] > 0.98


def test_what_goes_wrong_in_publishing_is_raised_where_the_training_ends(tmp_path: Path):
    (tmp_path / "best.json").write_text("{}")
    with pytest.raises(UserError, match=r"best\.json"), publisher(tmp_path) as listener:
        listener(epoch(1, 0.5, 0.0))


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_litert_answers_as_the_saved_model_does(tmp_path: Path, name: str) -> None:
    fields = yaml.safe_load((CONF / "model" / f"{name}.yaml").read_text()) | {"batch_norm": True, "dropout_rate": 0.2}
    built = registry.builder(fields.pop("name"))(input_shape=(8, 8, 3), num_classes=3, **fields)
    Exportable(built, ("a", "b", "c")).export(tmp_path / "7")
    write_card(accuracy(0.5, version=7), tmp_path / "7")
    compile_for_litert(tmp_path / "7")
    served = predictor.load(find_version(tmp_path / "7"))
    assert (served.runtime, served.input_shape) == ("LiteRT", (8, 8, 3))
    images = np.random.default_rng(0).random((300, 8, 8, 3)).astype(np.float32)  # more than one call takes
    np.testing.assert_allclose(
        served.predict(images), saved_model.load(tmp_path / "7").probabilities(images), atol=1e-5
    )
    shutil.copytree(tmp_path / "7", tmp_path / "deployed")  # alone, as a platform may
    assert find_version(tmp_path / "deployed").metrics == accuracy(0.5).metrics
    assert find_version(tmp_path / "deployed").number == 7

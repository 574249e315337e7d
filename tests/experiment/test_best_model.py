"""Whole runs and the best model: several data sets in one output, checks that publish nothing, a store that is late."""

import fcntl
import json
import threading
from pathlib import Path

from support.entry import SMALL, Result, Train
from support.service import serving
from support.waiting import HANG_SECONDS, wait_until
from trialmaker.model_store.versions import version_numbers


def best(result: Result) -> dict:
    return dict(json.loads((result.output / "model" / "best.json").read_text()))


def test_two_data_sets_in_one_output_have_each_its_best(train: Train) -> None:
    other = ("data.validation_fraction=0.3",)
    first = best(train(*SMALL, "optimizer.learning_rate=0.01"))
    result = train(*SMALL, *other)
    second, models = best(result), result.output / "model"
    text = f"of other validation examples of digits: --model-dir {models}"
    assert second["validation_digest"] != first["validation_digest"]
    assert (
        f"predict.py serves model/{second['version']} (digits, val_accuracy={second['metrics']['val_accuracy']:.4f});"
        f" model/{first['version']} is {text}/{first['version']}\n"
    ) in result.out
    result = train(*SMALL, "training.epochs=1", "optimizer.learning_rate=1e-9")
    assert result.code == 0, result.err
    third = best(result)
    changes = {"version": third["version"], "versions": third["versions"]}
    assert third == first | changes and third["version"] > second["version"]
    assert {entry["validation_digest"] for entry in third["versions"].values()} == {
        first["validation_digest"],
        second["validation_digest"],
    }
    line = f"serves model/{third['version']} (digits, val_accuracy={first['metrics']['val_accuracy']:.4f});"
    line += f" model/{second['version']} is {text}/{second['version']}\n"
    assert f"predict.py {line}" in result.out
    assert f"not published: {models}/{third['version']} is no worse with val_accuracy=" in result.out
    for path in (models, models / str(second["version"])):
        with serving(path) as service:
            _, out, err = service.stop()
        assert (line in out, err) == (path == models, "")


def test_a_run_on_fewer_examples_competes_by_its_validation_metric(train: Train) -> None:
    words = ("data=digits", "model.hidden_units=[8]", "training.batch_size=32", "training.epochs=2")
    few = best(train(*words, "training.max_examples=64"))
    whole = best(train(*words))
    assert whole["metrics"]["val_accuracy"] > few["metrics"]["val_accuracy"] and whole["version"] > few["version"]
    result = train(*words, "training.max_examples=64", "training.label_smoothing=0.1")
    assert "\nnot published: " in result.out and best(result) == whole


def test_a_debug_run_publishes_nothing(train: Train) -> None:
    result = train("debug=smoke", "model.hidden_units=[8]")
    assert result.code == 0, result.err
    (elsewhere,) = (result.output / "logs").glob("*/saved_model")
    assert version_numbers(result.output / "model") == [] and not (result.output / "model" / "best.json").exists()
    assert f"not published: debug=smoke publishes nothing; this run's model: {elsewhere}\n" in result.out


def test_a_model_is_published_before_mlflow_has_answered(train: Train, tmp_path: Path) -> None:
    output = tmp_path / "output"
    record, seen = output / "model" / "best.json", []
    output.mkdir()
    with (output / ".mlflow.lock").open("a") as lock:  # for which the tracking process waits before it makes the store
        fcntl.flock(lock, fcntl.LOCK_EX)

        def answer_when_published() -> None:
            try:
                wait_until(record.exists)
                seen.append((json.loads(record.read_text())["run_id"], (output / "mlflow.db").exists()))
            finally:
                fcntl.flock(lock, fcntl.LOCK_UN)

        thread = threading.Thread(target=answer_when_published)
        thread.start()
        result = train(*SMALL)
        thread.join(timeout=HANG_SECONDS)
    assert (result.code, seen) == (0, [("", False)]), result.err
    (run,) = result.runs()
    assert best(result)["run_id"] == run.info.run_id
    for card in (output / "model").glob("*/assets.extra/card.json"):
        assert json.loads(card.read_text())["run_id"] == run.info.run_id

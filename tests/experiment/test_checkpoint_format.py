"""A checkpoint that another version wrote, or a stranger, is one line, and nothing of the run is touched."""

import json
from pathlib import Path
from typing import Any

import pytest

from trialmaker.experiment.resume.checkpoint_format import FORMAT, CheckpointMisfit, check_values, in_this_format

METRICS = {"val_loss": 0.5, "epoch_count": 3}
VALUES: dict[str, Any] = {
    "format": FORMAT,
    "loop": {
        "epochs_done": 2,
        "step": 12,
        "seconds": 0.5,
        "epoch_steps": 6,
        "is_early_validated": True,
        "precision": "bfloat16",
        "best": {"epoch": 1, "metrics": METRICS},
    },
    "means": {"step": 12, "is_due": True},
    "run": {
        "log_size": 100,
        "event_files": {"events.out.tfevents.1": 50},
        "history": [[1, METRICS], [2, {"val_loss": float("nan")}]],
        "reports": [[1, 0.5]],
    },
}


def changed(path: str, value: object) -> dict[str, Any]:
    values = json.loads(json.dumps(VALUES))
    *parents, name = path.split(".")
    place = values
    for parent in parents:
        place = place[parent]
    place[name] = value
    return dict(values)


@pytest.mark.parametrize("best", [None, {"epoch": 1, "metrics": {}}])
def test_what_this_version_writes_is_taken(best: object) -> None:
    check_values(changed("loop.best", best), Path("x"))


@pytest.mark.parametrize(
    ("path", "value", "difference"),
    [
        ("format", None, "its format is missing, not 2"),
        ("format", 0, "its format is 0, not 2"),
        ("format", True, "its format is True, not 2"),
        ("loop", None, "it has no loop"),
        ("loop", [], "it has no loop"),
        ("loop.temperature", 1.0, "loop: other fields: temperature"),
        ("run", {"history": [], "reports": []}, "run: other fields: event_files, log_size"),
        ("run.log_size", -1, "run.log_size is -1"),
        ("run.log_size", 0.5, "run.log_size is 0.5"),
        ("run.log_size", 10**400, "run.log_size is 1" + "0" * 59),
        ("run.event_files", {"a": -5}, "run.event_files is {'a': -5}"),
        ("run.event_files", [], "run.event_files is []"),
        ("run.history", [[1]], "run.history is [[1]]"),
        ("run.history", {}, "run.history is {}"),
        ("run.reports", [[1, "a"]], "run.reports is [[1, 'a']]"),
        ("loop.step", "12", "loop.step is 12"),
        ("loop.precision", "float16", "loop.precision is float16"),
        ("loop.seconds", float("inf"), "loop.seconds is inf"),
        ("loop.best", {"epoch": 1}, "loop.best is {'epoch': 1}"),
        ("loop.best", {"epoch": 1, "metrics": {"a": None}}, "loop.best is {'epoch': 1, 'metrics': {'a': None}}"),
        ("means.is_due", 1, "means.is_due is 1"),
    ],
)
def test_what_differs_is_named(path: str, value: object, difference: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointMisfit) as caught:
        check_values(changed(path, value), tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: its checkpoint was written by another version of TrialMaker ({difference});"
        " resume=never starts anew"
    )


def test_one_of_the_format_before_is_of_float32_and_what_is_none_stays_as_it_is() -> None:
    before = changed("format", 1)
    del before["loop"]["precision"]
    assert in_this_format(before) == changed("loop.precision", "float32")
    for values in (VALUES, changed("format", 1), changed("format", True), {"format": 1, "loop": []}, {"format": 3}):
        assert in_this_format(values) == values

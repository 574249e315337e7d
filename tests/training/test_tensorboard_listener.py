"""TensorBoard's files of a run that goes on: the curves of the uninterrupted one, and one record of hparams."""

from pathlib import Path

import numpy as np
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from trialmaker.training.events import EpochDone, Event, StepsMean
from trialmaker.training.tensorboard_listener import TensorBoardListener


def listener(directory: Path, positions: dict[str, int] | None = None) -> TensorBoardListener:
    return TensorBoardListener(
        directory,
        run_name="run",
        hparams={"seed": 1},
        objective="val_loss",
        has_curves=True,
        positions=positions,
    )


def events(epoch: int) -> list[Event]:
    metrics = {"loss": 1 / epoch, "val_loss": 2 / epoch}
    return [StepsMean(10 * epoch, 1 / epoch, 0.5), EpochDone(epoch, metrics, [np.zeros(1)])]


def records(directory: Path) -> list[tuple[str, int, str]]:
    """Split, step and tag of each record, in the order in which TensorBoard reads them."""
    paths = sorted(directory.rglob("events.out.tfevents.*"))
    return sorted(
        (str(path.parent.relative_to(directory)), event.step, value.tag)
        for path in paths
        for event in EventFileLoader(str(path)).Load()
        for value in event.summary.value
    )


def train(directory: Path, epochs: range, positions: dict[str, int] | None = None) -> dict[str, int]:
    """Write some epochs, then those that nobody has counted yet, and end without having closed the files."""
    board = listener(directory, positions)
    for epoch in epochs:
        for event in events(epoch):
            board(event)
    counted = board.positions()
    for event in events(epochs.stop):
        board(event)
    board.positions()
    return counted


def test_a_run_that_goes_on_has_each_record_once(tmp_path: Path) -> None:
    with listener(tmp_path / "whole") as board:
        for epoch in range(1, 7):
            for event in events(epoch):
                board(event)
    directory = tmp_path / "run"
    first = train(directory, range(1, 3))
    assert set(map(Path, first)) == {path.relative_to(directory) for path in directory.rglob("events*")}
    second = train(directory, range(3, 5), first)
    assert len(second) == 2 * len(first) and second.items() >= first.items()
    (directory / "events.out.tfevents.9.of-a-test").write_bytes(b"which nobody has counted")
    with listener(directory, second) as board:
        for epoch in (5, 6):
            for event in events(epoch):
                board(event)
    assert records(directory) == records(tmp_path / "whole")


def test_a_run_without_a_checkpoint_begins_as_new_in_its_directory(tmp_path: Path) -> None:
    train(tmp_path / "run", range(1, 3))
    with listener(tmp_path / "run", {}) as board:
        assert board.directory == tmp_path / "run"
        for event in events(1):
            board(event)
    with listener(tmp_path / "whole") as board:
        for event in events(1):
            board(event)
    assert records(tmp_path / "run") == records(tmp_path / "whole")


def test_what_is_missing_or_leads_elsewhere_is_left_alone(tmp_path: Path) -> None:
    elsewhere = tmp_path / "events.out.tfevents.elsewhere"
    elsewhere.write_bytes(b"whole")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "events.out.tfevents.link").symlink_to(elsewhere)
    positions = {"../events.out.tfevents.elsewhere": 1, "events.out.tfevents.link": 1, "train/events.out.tfevents.0": 9}
    listener(tmp_path / "run", positions).__exit__()
    assert elsewhere.read_bytes() == b"whole"


def test_a_new_run_leaves_the_files_of_others(tmp_path: Path) -> None:
    train(tmp_path / "run", range(1, 3))
    before = records(tmp_path / "run")
    with listener(tmp_path / "run") as board:
        assert board.directory == tmp_path / "run_2"
    assert records(tmp_path / "run") == before

"""What is printed while training, to the letter."""

import logging
import re
import sys
from pathlib import Path

import pytest

from support.entry import SMALL
from support.terminal import run_on_terminal
from trialmaker.platform.console import METRIC_LOGGER, Console
from trialmaker.training.console_listener import Bar, Lines, epoch_line, epoch_row
from trialmaker.training.events import EpochDone, Event, StepsDone, StepsMean
from trialmaker.training.step_means import StepMeans

METRICS = {
    "loss": 0.21034,
    "accuracy": 0.93712,
    "val_loss": 0.11017,
    "val_accuracy": 0.96833,
    "learning_rate": 0.0010000000474974513,
    "seconds": 0.4321,
    "examples_per_second": 1000.0,
}


def test_lines_are_those_of_the_contract_wherever_the_calls_were_cut() -> None:
    for cuts in ([5], [1, 4], [2, 2, 1]):
        written: list[str] = []
        lines = StepMeans(2, [Lines(written.append)])
        step = 0
        for count in cuts:
            values = [0.1 * (step + at + 1) for at in range(count)]
            step += count
            lines(StepsDone(1, step, values, values, 0.1))
        lines(EpochDone(1, METRICS))
        assert written == [
            "step 2, loss 0.1500, training accuracy 0.1500",
            "step 4, loss 0.3500, training accuracy 0.3500",
            "epoch=1 loss=0.2103 accuracy=0.9371 val_loss=0.1102 val_accuracy=0.9683 learning_rate=0.001 seconds=0.43",
        ]


def test_an_epoch_of_fewer_steps_has_a_line_of_its_own() -> None:
    written: list[str] = []
    lines = StepMeans(5, [Lines(written.append)])
    for epoch in (1, 2, 3):
        lines(StepsDone(epoch, 3 * epoch, [float(epoch)] * 3, [0.5] * 3, 0.1))
        lines(EpochDone(epoch, METRICS))
    assert [line for line in written if line.startswith("step")] == [
        "step 3, loss 1.0000, training accuracy 0.5000",
        "step 5, loss 2.0000, training accuracy 0.5000",
        "step 9, loss 2.7500, training accuracy 0.5000",
    ]


def test_rows_fit_80_columns_and_have_headings_now_and_then() -> None:
    heading = " epoch     loss accuracy val_loss val_accuracy learning_rate  seconds"
    row = "     1   0.2103   0.9371   0.1102       0.9683         0.001     0.43"
    assert epoch_row(EpochDone(1, METRICS)) == f"{heading}\n{row}"
    assert epoch_row(EpochDone(20, METRICS)) == row.replace("  1 ", " 20 ", 1)
    assert epoch_row(EpochDone(21, METRICS)).startswith(heading)
    worst = METRICS | {"loss": 123456.7, "val_loss": 1234567.8, "learning_rate": 1.234e-07, "seconds": 12345.67}
    assert max(map(len, epoch_row(EpochDone(1_000_000, worst)).splitlines())) <= 80


def test_a_part_of_an_epoch_is_said_to_be_one() -> None:
    part = EpochDone(3, METRICS, stopped_by="signal")
    assert epoch_line(part).startswith("part of epoch=3 loss=0.2103 accuracy=")
    assert epoch_row(part) == f"part of epoch 3:\n{epoch_row(EpochDone(3, METRICS))}"
    means: list[Event] = []
    listener = StepMeans(5, [means.append])
    listener(StepsDone(3, 12, [1.0] * 2, [0.5] * 2, 0.1))
    listener(part)  # a whole epoch would have its mean elsewhere
    assert not any(isinstance(event, StepsMean) for event in means)


class Records(logging.Handler):
    """The lines of a log file, and which of them standard output has, a pipe."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, bool]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((record.getMessage(), Console().filter(record)))


def test_lines_that_were_printed_before_go_to_the_log_file_alone(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    records = Records()
    logging.getLogger().addHandler(records)

    def is_repeated(event: Event) -> bool:
        return isinstance(event, StepsMean | EpochDone) and getattr(event, "epoch", 1) == 1

    try:
        write = logging.getLogger(METRIC_LOGGER).info
        for listener in (Lines(write, is_repeated), Bar(12, 2, is_repeated=is_repeated, steps_done=6)):
            with listener:
                for epoch in (1, 2):
                    listener(StepsMean(6, 0.5, 0.5))
                    listener(EpochDone(epoch, METRICS))
    finally:
        logging.getLogger().removeHandler(records)
    mean = ("step 6, loss 0.5000, training accuracy 0.5000", False)
    epochs = [(epoch_line(EpochDone(epoch, METRICS)), epoch == 2) for epoch in (1, 2)]
    assert records.lines == [mean, epochs[0], mean, epochs[1], *epochs]


def test_a_training_on_a_terminal(tmp_path: Path) -> None:
    command = [sys.executable, "train.py", *SMALL, "training.epochs=30"]
    code, text = run_on_terminal(command, {"AI_ROOT": str(tmp_path)})
    assert code == 0, text
    # what is there for a while, on a line that is drawn anew
    drawn = re.split(r"[\r\n]+", text)
    for line in (r"loading TensorFlow \d+ s", r"compiling the training step \d+ s"):
        assert any(re.fullmatch(line, one) for one in drawn), text
    bars = [one for one in drawn if re.match(r"epoch +\d+/30 +\d+%\|", one)]
    assert bars and all(len(bar) < 80 and len(bar.split("|")[1]) >= 10 for bar in bars), bars
    # what stays: a row an epoch, no step lines, each line at the terminal's left edge
    lines = [line.rpartition("\r")[2] for line in text.replace("\r\n", "\n").splitlines()]
    rows = [line for line in lines if re.fullmatch(r" +\d+( +[\d.e-]+){6}", line)]
    assert [int(row.split()[0]) for row in rows] == list(range(1, 31)), text
    assert not any(line.startswith(("step ", "epoch=")) for line in lines)
    assert sum(line.startswith("best epoch=") for line in lines) == 1
    (log,) = tmp_path.glob("output/logs/*/train.log")
    assert len(re.findall(r" INFO epoch=\d+ loss=\S+ accuracy=\S+ val_loss=\S+ val_accuracy=", log.read_text())) == 30

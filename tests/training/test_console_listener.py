"""What is printed while training, to the letter."""

import os
import pty
import re
import subprocess
import sys
import termios
from pathlib import Path

from support.entry import PROJECT, SMALL
from trialmaker.training.console_listener import Lines
from trialmaker.training.events import EpochDone, StepsDone
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


def test_on_a_terminal_there_is_a_bar_and_no_step_lines(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (30, 120))
    process = subprocess.Popen(
        [sys.executable, "train.py", *SMALL, "training.epochs=30"],
        cwd=PROJECT,
        env=os.environ | {"AI_ROOT": str(tmp_path)},
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    seen = b""
    try:
        while part := os.read(ours, 65536):
            seen += part
    except OSError:  # how a pseudo-terminal says that the other side is closed
        pass
    os.close(ours)
    assert process.wait(timeout=60) == 0
    text = seen.decode()
    assert re.search(r"training: +\d+%\|", text), text
    assert text.count("epoch=") >= 30 and "step 4, loss" not in text

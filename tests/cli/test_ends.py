"""However a job ends, a line says so, and its output holds ``failure``: hang-ups, streams, space, memory, a kill."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from support.entry import PROJECT, SMALL, Result, Train
from support.failures import causes
from support.stores import create_store
from support.waiting import HANG_SECONDS, wait_until
from trialmaker.cli import mistakes
from trialmaker.platform import result_files
from trialmaker.platform.signals import Signals, Stopped
from trialmaker.tracking.client import Tracker
from trialmaker.tracking.messages import Start

TINY = (*SMALL, "training.epochs=1")


def shell(root: Path, line: str) -> Result:
    """Run a line of bash with ``train`` for ``python train.py``; return what reached bash's own streams."""
    script = f'train() {{ {sys.executable} train.py "$@"; }}\n{line}'
    environment = os.environ | {"AI_ROOT": str(root)}
    done = subprocess.run(
        ["bash", "-c", script], cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=HANG_SECONDS
    )
    return Result(done.returncode, done.stdout, done.stderr, root / "output")


# ---- signals


@pytest.fixture
def default_handlers() -> Iterator[None]:
    """The signals' defaults, whatever the process that runs the tests was started with."""
    numbers = (signal.SIGHUP, signal.SIGXCPU, signal.SIGUSR1, signal.SIGUSR2)
    before = {number: signal.signal(number, signal.SIG_DFL) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("default_handlers")
@pytest.mark.parametrize("name", ["SIGHUP", "SIGXCPU", "SIGUSR1", "SIGUSR2"])
def test_a_signal_whose_default_is_a_silent_end_ends_in_order(name: str) -> None:
    number = signal.Signals[name]
    with pytest.raises(Stopped, match=f"^stopped by {name} before the first step$") as caught, Signals() as received:
        os.kill(os.getpid(), number)
        wait_until(lambda: received.received)
    assert caught.value.exit_code == 128 + number
    assert received.watchdog
    received.watchdog.cancel()
    assert signal.getsignal(number) is signal.SIG_DFL


@pytest.mark.usefixtures("default_handlers")
def test_a_hang_up_that_nohup_ignores_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with Signals() as received:
        os.kill(os.getpid(), signal.SIGHUP)
        time.sleep(0.05)
    assert received.received is None


# ---- standard streams


def test_a_training_outlives_its_standard_output(tmp_path: Path) -> None:
    create_store(tmp_path / "output")
    result = shell(tmp_path, f"train {' '.join(TINY)} >/dev/full")
    line = "train.py: standard output: No space left on device; train.log in the run's directory goes on\n"
    assert (result.code, result.out, result.err) == (0, "", line)
    assert (result.output / "success").exists()
    (log,) = result.output.glob("logs/*/train.log")
    assert "MLflow run: " in log.read_text()


@pytest.mark.parametrize("command", ["train --cfg job", f"{sys.executable} -m trialmaker completion"])
def test_a_closed_standard_output_is_no_error(command: str, tmp_path: Path) -> None:
    result = shell(tmp_path, f"{command} <&- >&-")
    assert (result.code, result.out, result.err) == (0, "", "")


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-", ">&- 2>&-", ">/dev/full 2>&1"])
def test_a_mistake_leaves_failure_where_nothing_can_be_printed(redirection: str, tmp_path: Path) -> None:
    result = shell(tmp_path, f"train --lr fast {redirection}")
    assert (result.code, result.out, result.err) == (2, "", "")
    assert causes(result.output) == ["--lr fast: must be a number"]


# ---- space


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("needs to mount a file system: only root may, and not in every container")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_too_little_space_is_said_before_the_training(train: Train, tiny_disk: Path) -> None:
    (tiny_disk / "other").write_bytes(bytes(6_000_000))
    result = train(*TINY, f"output={tiny_disk / 'output'}")
    assert result.code == 2 and "TensorFlow" not in result.out
    (line,) = result.err.splitlines()
    assert line.startswith(f"train.py: error: {tiny_disk}/output: no space left (")
    assert line.endswith(
        " MB free): a run needs 8 MB and five times the size of its model; make space, or choose another output=…"
    )
    assert (tiny_disk / "output" / "failure").read_text().startswith(f"{tiny_disk}/output: no space left (")


def test_a_full_disk_still_takes_the_failure(tiny_disk: Path) -> None:
    result_files.prepare_result(tiny_disk)
    with pytest.raises(OSError, match="No space left"), (tiny_disk / "other").open("wb", buffering=0) as file:
        while True:
            assert file.write(bytes(65536)) or pytest.fail("full")
    result_files.write_failure(tiny_disk, "no space", "details")
    cause, details = (tiny_disk / "failure").read_text().splitlines()
    assert cause.startswith("no space / ") and details == "details"
    assert not (tiny_disk / result_files.RESERVE_FILE).exists()


def test_a_limit_on_file_sizes_is_a_line(train: Train) -> None:
    """The weights of this model are larger than a file may be; the tracking process is there already."""
    train(*TINY)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, limits[1]))
    try:
        result = train(*TINY[:1], "training.epochs=1", "model.hidden_units=[1200]")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert result.code == 2
    (line,) = result.err.splitlines()
    assert " no space left (" in line or "the disk may be full" in line
    assert (result.output / "failure").exists() and not list((result.output / "model").glob(".*/"))


# ---- memory, a kill, an output that is gone


def too_large_for_numpy() -> object:
    return np.zeros(2**60, np.uint8)


def too_large_for_tensorflow() -> object:
    import tensorflow as tf

    return tf.zeros((2**20, 2**20, 2**10))


@pytest.mark.parametrize("allocate", [too_large_for_numpy, too_large_for_tensorflow])
def test_want_of_memory_is_a_line_with_the_way_on(allocate: Callable[[], object]) -> None:
    with pytest.raises(Exception, match=r"Unable to allocate|OOM when allocating") as caught:
        allocate()
    mistake = mistakes.explain(caught.value, [Path("/out")])
    assert mistake and str(mistake).startswith("not enough memory (")
    assert str(mistake).endswith(
        "): take a smaller training.batch_size, model or training.max_examples, or a machine with more"
    )


@pytest.mark.parametrize("error", [ValueError("x"), FileNotFoundError(2, "No such file"), RuntimeError("no memory")])
def test_a_bug_stays_a_bug(error: Exception) -> None:
    assert mistakes.explain(error, [Path("/out")]) is None


def test_a_process_that_was_killed_leaves_its_failure_by_the_tracking_process(tmp_path: Path) -> None:
    script = f"""
import os
from pathlib import Path
from {Tracker.__module__} import Tracker
from {Start.__module__} import Start
output = Path({str(tmp_path)!r})
Tracker(Start(None, output, "e", "run", output, output, {{}}, "", 2.0)).run_id
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", script], timeout=HANG_SECONDS, check=False)
    wait_until((tmp_path / "failure").exists)
    wait_until(lambda: (tmp_path / "failure").read_text())
    cause = (tmp_path / "failure").read_text()
    assert cause.startswith("the process vanished: it was killed, perhaps for want of memory, or has crashed; ")


def test_an_output_that_is_removed_ends_the_training(train: Train, tmp_path: Path) -> None:
    output = tmp_path / "output"

    def remove() -> None:
        wait_until((output / "model" / "best.json").exists)
        while (output / "logs").exists():
            shutil.rmtree(output, ignore_errors=True)

    remover = threading.Thread(target=remove)
    remover.start()
    result = train(*SMALL, "training.epochs=100000")
    remover.join()
    assert result.code == 2
    (line,) = result.err.splitlines()
    assert line.startswith(f"train.py: error: {output}/logs/")
    assert line.endswith(": is gone: it was removed while the run wrote to it; start the run again")
    assert causes(output) == [line.removeprefix("train.py: error: ")]
    following = train(*SMALL, f"output={tmp_path / 'next'}")  # which the same tracking process records
    assert following.code == 0 and "MLflow run: " in following.out  # as it waits for nothing that is gone

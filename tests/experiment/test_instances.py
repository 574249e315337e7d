"""One training over several machines, each a network namespace with an address of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import tensorflow as tf

from optuna_sweep.trial import current_trial
from support.entry import PROJECT, Train
from support.failures import causes
from support.hosts import Host, network
from support.instances import loopback_instances
from support.waiting import HANG_SECONDS, wait_until
from trialmaker.errors import StudyError, UserError
from trialmaker.experiment.context import RunContext
from trialmaker.experiment.instances.collective import collective_training
from trialmaker.experiment.instances.team import Team
from trialmaker.platform.run_result import RunResult, read_result
from trialmaker.platform.signals import Signals

SETTINGS = ("data=digits", "model=mlp", "model.dropout_rate=0.2", "optimizer=sgd", "optimizer.learning_rate=0.05")
EPOCHS = "training.epochs=20"
STARTED: list["subprocess.Popen[str]"] = []
# of which no connection between the instances may make use: nobody is there
PROXIES = dict.fromkeys(("http_proxy", "https_proxy", "grpc_proxy", "all_proxy"), "http://127.0.0.1:9")
LATE_SECONDS = 20  # that the others wait for one
MISSING_SECONDS = 15  # that they wait in vain, meanwhile


@dataclass(frozen=True)
class Process:
    """``python train.py`` on a host, whose root is its own."""

    process: "subprocess.Popen[str]"
    root: Path

    @property
    def output(self) -> str:
        return (self.root / "printed").read_text()

    @property
    def line(self) -> str:
        """The one line that says why it failed."""
        [line] = [line for line in self.output.splitlines() if line.startswith("train.py: ")]
        return line.removeprefix("train.py: ")

    def wait(self, seconds: float = HANG_SECONDS) -> int:
        return self.process.wait(seconds)

    @property
    def results(self) -> list[RunResult]:
        return [result for path in self.root.glob("output/logs/*/result.json") if (result := read_result(path))]


@pytest.fixture
def hosts() -> Iterator[list[Host]]:
    with network(3) as machines:
        yield machines
    for process in STARTED:
        process.wait(HANG_SECONDS)  # whom the end of its network has killed
    STARTED.clear()


def start(root: Path, hosts: Sequence[Host], which: Sequence[int], *words: str, port: int = 2222) -> list[Process]:
    """Start the job on those of its hosts, in that order."""
    listing = [{"ip": host.address, "port": port} for host in hosts]
    started = []
    for index in which:
        own = root / f"machine-{index + 1}"
        (own / "config").mkdir(parents=True, exist_ok=True)
        resource = own / "config" / "resource.json"
        resource.write_text("[{" if "garbled" in str(root) and index == 1 else json.dumps(listing))
        command = [sys.executable, str(PROJECT / "train.py"), *SETTINGS, *words]
        environment = {"AI_ROOT": str(own), "PYTHONPATH": str(PROJECT / "src")} | PROXIES
        with (own / "printed").open("w", encoding="utf-8") as printed:
            process = hosts[index].popen(*command, environment=environment, stdout=printed, stderr=subprocess.STDOUT)
        STARTED.append(process)
        started.append(Process(process, own))
    return started


def test_a_late_instance_is_waited_for_a_killed_one_is_named_and_fewer_go_on_to_what_one_alone_reaches(
    hosts: list[Host], tmp_path: Path, train: Train
) -> None:
    late = time.monotonic() + LATE_SECONDS
    chief, second = start(tmp_path, hosts, [0, 1], EPOCHS)
    _none_waits_for_one_with_a_garbled_list(hosts, tmp_path / "garbled")
    time.sleep(max(0.0, late - time.monotonic()))
    [third] = start(tmp_path, hosts, [2], EPOCHS)
    wait_until(lambda: "epoch=2 " in chief.output)
    os.kill(third.process.pid, signal.SIGKILL)
    assert chief.wait() == second.wait() == 2
    way_on = "the same command goes on, on any number of instances"
    gone = f"instance 3 of 3 ({hosts[2].address}:2222) is gone: its connection has ended; {way_on}"
    assert chief.line == second.line == f"error: {gone}"
    assert causes(chief.root / "output") == [gone]
    assert [(one.status, one.ended_by) for one in chief.results] == [("stopped", "lost_instance")]

    chief, second = start(tmp_path, hosts[:2], [0, 1], EPOCHS)
    assert chief.wait() == second.wait() == 0, chief.output
    assert f"it had ended since instance 3 of 3 ({hosts[2].address}:2222) is gone" in chief.output
    assert (chief.root / "output/success").exists() and not (chief.root / "output/failure").exists()
    assert [path.name for path in (second.root / "output").iterdir()] == ["logs"]
    [log] = chief.root.glob("output/logs/*/instance-2.log")
    assert "computes for instance 1 of 2" in log.read_text()
    assert sorted(path.name for path in (chief.root / "output/logs").iterdir()) == [log.parent.name]

    alone = train(*SETTINGS, EPOCHS)
    assert alone.code == 0, alone.err
    [expected] = [read_result(path) for path in tmp_path.glob("output/logs/*/result.json")]
    [result] = chief.results
    assert expected is not None
    assert result.attempts == 2
    assert result.best_epoch == expected.best_epoch
    for name in ("loss", "val_loss", "val_accuracy"):
        assert result.best_metrics[name] == pytest.approx(expected.best_metrics[name], rel=1e-3), name
    assert result.test_metrics == pytest.approx(expected.test_metrics, rel=1e-3)


def _none_waits_for_one_with_a_garbled_list(hosts: list[Host], root: Path) -> None:
    """Have another job of the same hosts end."""
    chief, second, third = start(root, hosts, [0, 1, 2], f"training.instances_seconds={MISSING_SECONDS}", port=3333)
    for one in (second, chief, third):
        assert one.wait() == 2
    assert "resource.json" in second.line
    missing = f"instance 2 of 3 ({hosts[1].address}:3333) has not come within {MISSING_SECONDS} s"
    assert missing in chief.line
    assert missing in third.line


def test_any_error_of_tensorflow_counts_as_the_loss_of_an_instance_that_is_gone_and_no_other(tmp_path: Path) -> None:
    first, second = (Team(one, seconds=HANG_SECONDS) for one in loopback_instances(2))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(Team.join, (first, second)))
    context = RunContext(tmp_path, current_trial(), 0.0, Signals(), RunResult("train"), team=first)
    saved: list[bool] = []
    with pytest.raises(tf.errors.UnknownError), collective_training(context, lambda: saved.append(True)):
        raise tf.errors.UnknownError(None, None, "Stream removed")
    assert not saved
    match = r"instance 2 of 2 .* has ended: no power; the same command goes on"
    with pytest.raises(StudyError, match=match), collective_training(context, lambda: saved.append(True)):
        second.close(1, "no power")
        raise tf.errors.UnknownError(None, None, "Stream removed")
    assert saved and context.result.ended_by == "lost_instance"
    first.close(2, "lost")


def test_the_log_of_a_run_comes_to_that_run_when_the_next_has_begun_too(tmp_path: Path) -> None:
    first, second = (Team(one, seconds=HANG_SECONDS) for one in loopback_instances(2))
    (tmp_path / "own").mkdir()
    (tmp_path / "own/train.log").write_text("a line\n")
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(Team.join, (first, second)))
        for number in "12":
            (tmp_path / number).mkdir()
            list(pool.map(lambda team, number=number: team.begin_run(tmp_path / number, {}), (first, second)))
    second.meeting.push(tmp_path / "own", "instance-2 of run 1")
    assert (tmp_path / "1/instance-2.log").read_text() == "a line\n"
    for name in ("instance-2 of run 3", "instance-3 of run 1", "instance-1 of run 1", "instance-2 of run 0", "../x"):
        with pytest.raises(UserError, match="is no instance's log"):
            second.meeting.push(tmp_path / "own", name)
    assert not list((tmp_path / "2").iterdir())
    first.close(0, "")
    second.close(0, "")


def test_an_instance_that_is_cut_off_is_named_by_the_others_and_names_the_first(
    hosts: list[Host], tmp_path: Path
) -> None:
    chief, second, third = start(tmp_path / "cut", hosts, [0, 1, 2], "training.epochs=100000")
    wait_until(lambda: "epoch=3 " in chief.output)
    hosts[2].cut()
    for one in (chief, second, third):
        assert one.wait() == 2
    hosts[2].restore()
    for one in (chief, second):
        assert one.line.startswith(f"error: instance 3 of 3 ({hosts[2].address}:2222) gives no sign of life for 10 s")
    assert third.line.startswith(f"error: instance 1 of 3 ({hosts[0].address}:2222) gives no sign of life for 10 s")
    assert list(chief.root.glob("output/checkpoints/*/checkpoint-*.npz"))

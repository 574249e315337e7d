"""Runs that another instance has trained, in the first one's output: each is in MLflow once, however often it came."""

import shutil
import threading
from contextlib import ExitStack
from pathlib import Path

import mlflow
import pytest

from support.entry import Result
from support.journals import dead_journal
from support.outputs import empty_store
from trialmaker.experiment.instances.handover import Receiver
from trialmaker.platform.run_result import RunResult, half_copy, run_results
from trialmaker.tracking import copied_runs, output_journals, recovery
from trialmaker.tracking.delivery_lock import delivery_lock
from trialmaker.tracking.delivery_state import DeliveryState
from trialmaker.tracking.places import STATE_FILE, RunPlace


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """The first instance's output, with an empty store."""
    output = tmp_path / "first"
    output.mkdir()
    (output / "mlflow.db").write_bytes(empty_store())
    return output


def send(output: Path, run: Path, study: str = "T1") -> Path:
    """Bring a run to the first instance's output; return where it is then."""
    sent = run.with_name("sent")
    shutil.copytree(run, sent)
    Receiver(output, lambda: output / "logs" / study).take(f"run 2 {run.name}", sent)
    shutil.rmtree(sent)
    return output / "logs" / study / "instance-2" / run.name


def runs(output: Path) -> list[mlflow.entities.Run]:
    return Result(0, "", "", output).runs()


def test_a_run_that_is_sent_again_is_in_mlflow_once(output: Path, tmp_path: Path) -> None:
    run = dead_journal(tmp_path / "second", "7", end="FINISHED", run_key="abc").parent
    RunResult("python train.py", status="finished").write(run)
    first = send(output, run)
    assert copied_runs.deliver_all(output, {str(first)}) == 0
    ids = [one.info.run_id for one in runs(output)]
    assert ids == [copied_runs.run_id_of(first)]
    for place in (send(output, run), send(output, run, "T2")):  # after a lost answer, and after another start
        assert not copied_runs.run_id_of(place)
        assert copied_runs.deliver_all(output, {str(place)}) == 0
        assert [one.info.run_id for one in runs(output)] == ids == [copied_runs.run_id_of(place)]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (DeliveryState("http://server"), DeliveryState("http://server", is_creating=True)),
        (DeliveryState("http://server", "1", "abc", 7), DeliveryState("http://server", "1", "abc", 7)),
        (DeliveryState("", "1", "abc", 7), DeliveryState(is_creating=True)),
    ],
)
def test_what_is_known_of_a_server_is_kept(tmp_path: Path, state: DeliveryState, expected: DeliveryState) -> None:
    state.write(tmp_path / STATE_FILE)
    copied_runs.forget_delivery(tmp_path)
    assert DeliveryState.read(tmp_path / STATE_FILE) == expected


def test_another_instances_run_is_left_to_it_where_it_goes_to_a_server(output: Path, tmp_path: Path) -> None:
    shutil.copyfile(output / "mlflow.db", tmp_path / "server.db")
    uri = f"sqlite:///{tmp_path / 'server.db'}"
    send(output, dead_journal(tmp_path / "second", "7", end="FINISHED", uri=uri, run_key="abc").parent)
    dead_journal(output, "own", end="FINISHED", uri=uri)
    lines: list[str] = []
    recovery.recover(output, [uri], lines.append)
    assert lines == [f"{output}/logs/own (run own): delivered to {uri}"]


def test_half_a_copy_is_no_run(output: Path, tmp_path: Path) -> None:
    run = dead_journal(tmp_path / "second", "7", end="FINISHED", run_key="abc").parent
    RunResult("python train.py", status="finished").write(run)
    place = send(output, run)
    shutil.copytree(place, half_copy(place))  # as a first instance leaves it that is killed meanwhile
    hidden = output / "logs" / ".mine"  # a person's own choice, by hydra.run.dir
    shutil.copytree(place, hidden)
    assert output_journals.journals(output) == [hidden / "tracking.jsonl", place / "tracking.jsonl"]
    assert [path for path, _ in run_results(output)] == [hidden, place]


def test_the_delivery_by_another_process_is_waited_for(output: Path, tmp_path: Path) -> None:
    place = send(output, dead_journal(tmp_path / "second", "7", end="FINISHED", run_key="abc").parent)
    with ExitStack() as stack:
        stack.enter_context(delivery_lock(RunPlace(place, output), threading.Event()))
        threading.Timer(0.5, stack.pop_all().close).start()
        assert copied_runs.deliver_all(output, {str(place)}) == 0
    assert copied_runs.run_id_of(place)

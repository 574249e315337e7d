"""The client alone, without a training: the tracking process, its store, and how runs end."""

import resource
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import pytest

from support.entry import PROJECT, Result
from support.waiting import HANG_SECONDS, wait_until
from trialmaker.errors import UserError
from trialmaker.tracking import connection
from trialmaker.tracking.client import Tracker
from trialmaker.tracking.delivery import Delivery
from trialmaker.tracking.messages import Metrics, Start


@pytest.fixture
def output(tmp_path: Path) -> Path:
    output = tmp_path / "output"
    output.mkdir()
    return output


def run_start(output: Path) -> Start:
    return Start(None, output, "e", "run", output, PROJECT, {}, "", 2.0)


def trial_start(output: Path, number: int) -> Start:
    directory = output / "logs" / str(number)
    directory.mkdir(parents=True)
    return Start(None, output, "e", f"trial {number}", directory, PROJECT, {}, "", 2.0, "study", number)


def trial_runs(output: Path) -> list[mlflow.entities.Run]:
    """By their numbers: several may have begun in one millisecond."""
    runs = [run for run in Result(0, "", "", output).runs() if "trialmaker.trial" in run.data.tags]
    return sorted(runs, key=lambda run: int(run.data.tags["trialmaker.trial"]))


def test_trials_that_end_faster_than_mlflow_writes_are_all_there(output: Path) -> None:
    for number in range(12):
        with Tracker(trial_start(output, number)) as tracker:
            tracker.send(Metrics(1, {"val_accuracy": number / 10}))
    tracker.connection.close()
    runs = trial_runs(output)
    assert [run.data.metrics["val_accuracy"] for run in runs] == [number / 10 for number in range(12)]
    assert {run.info.status for run in runs} == {"FINISHED"}


def test_a_trial_ends_as_finish_says_or_by_the_exception_that_passes_through(output: Path) -> None:
    with Tracker(trial_start(output, 0)) as tracker:
        tracker.finish()
    with Tracker(trial_start(output, 1)) as tracker:
        assert tracker.run_id
        tracker.finish(is_pruned=True)
    for number, error in ((2, ValueError("no good")), (3, KeyboardInterrupt("by hand"))):
        with pytest.raises(type(error)), Tracker(trial_start(output, number)) as tracker:
            tracker.finish(is_pruned=True)
            raise error
        assert tracker.run_id == trial_runs(output)[number].info.run_id  # all of it is there: a failed run waits
    tracker.connection.close()
    runs = trial_runs(output)
    assert [(run.info.status, run.data.tags["trialmaker.trial_state"]) for run in runs] == [
        ("FINISHED", "COMPLETE"),
        ("KILLED", "PRUNED"),
        ("FAILED", "FAIL"),
        ("KILLED", "WAITING"),
    ]
    messages = [run.data.tags.get("trialmaker.end") for run in runs]
    assert messages == [None, None, "ValueError: no good", "KeyboardInterrupt: by hand"]


def test_a_disk_that_is_full_is_no_bug(output: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))  # bytes; of the tracking process, which is new
    try:
        tracker = Tracker(run_start(output))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    with pytest.raises(UserError, match=r"^MLflow tracking at sqlite:.* failed: .*; the disk may be full: make"):
        _ = tracker.run_id
    assert not list(output.glob("*.db*")) and not list(output.glob(".*.new*"))
    tracker.journal.close()
    tracker.connection.close()


def test_a_tracking_process_that_dies_is_replaced_and_the_run_is_whole(
    output: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Tracker(run_start(output)) as tracker:
        tracker.send(Metrics(1, {"loss": 1.0}))
        run_id = tracker.run_id
        first = tracker.connection.process
        first.kill()
        tracker.send(Metrics(2, {"loss": 0.5}))
    assert (tracker.undelivered, tracker.connection.process is first) == ("", False)
    tracker.connection.close()
    (run,) = Result(0, "", "", output).runs()
    assert (run.info.run_id, run.info.status, run.data.metrics["loss"]) == (run_id, "FINISHED", 0.5)
    (record,) = caplog.records
    cause = "SIGKILL, perhaps for want of memory"
    assert record.message == f"the tracking process ended ({cause}); another one goes on where it was"


def test_tracking_processes_that_always_die_cost_the_record_alone(
    output: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connection, "PROCESS", ("-c", "raise SystemExit(9)"))
    with Tracker(run_start(output)) as tracker:
        tracker.send(Metrics(1, {"loss": 1.0}))
    reason = f"the tracking process cannot go on; see {output}/tracking.log"
    assert tracker.undelivered == reason and tracker.known_run_id == ""
    assert [record.message for record in caplog.records] == [
        *["the tracking process ended (exit code 9); another one goes on where it was"] * 4,
        f"{reason}; the record is kept in the run's directory",
        f"MLflow does not have all of this run ({reason}): python -m trialmaker sync {output} delivers the rest",
    ]
    monkeypatch.undo()
    place = tracker.progress.place
    Delivery(place).deliver()
    (run,) = Result(0, "", "", output).runs()
    assert (run.info.status, run.data.metrics["loss"]) == ("FINISHED", 1.0)


def test_a_store_that_was_half_made_when_its_process_was_killed_is_made_anew(output: Path) -> None:
    for _ in range(2):
        tracker = Tracker(run_start(output))
        wait_until((output / ".mlflow.db.new").exists)
        time.sleep(0.2)
        tracker.progress.is_given_up = True
        tracker.connection.close()  # which kills it
        tracker.journal.close()
        assert not (output / "mlflow.db").exists()
    with Tracker(run_start(output)) as tracker:
        pass
    tracker.connection.close()
    (run,) = Result(0, "", "", output).runs()
    assert run.info.status == "FINISHED"


def test_the_tracking_process_ends_with_a_process_that_was_killed(tmp_path: Path) -> None:
    script = """
import os, sys
from pathlib import Path
from trialmaker.errors import UserError
from trialmaker.tracking.client import Tracker
from trialmaker.tracking.messages import Start
output = Path(sys.argv[1])
tracker = Tracker(Start(None, output, "e", "run", output, output, {}, "", 2.0))
tracker.run_id
print(tracker.connection.process.pid, flush=True)
os.kill(os.getpid(), 9)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=HANG_SECONDS
    )
    wait_until(lambda: not Path(f"/proc/{int(done.stdout)}").exists())
    assert [run.info.status for run in Result(0, "", "", tmp_path).runs()] == ["KILLED"]


def test_processes_that_start_together_share_a_new_store(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from trialmaker.errors import UserError
from trialmaker.tracking.client import Tracker
from trialmaker.tracking.messages import Start
output = Path(sys.argv[1])
directory = output / sys.argv[2]
directory.mkdir()
with Tracker(Start(None, output, "e", "run", directory, output, {}, "", 2.0)):
    pass
"""
    commands = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path), name]) for name in "abc"]
    assert [command.wait(timeout=HANG_SECONDS) for command in commands] == [0, 0, 0]
    assert [run.info.status for run in Result(0, "", "", tmp_path).runs()] == ["FINISHED"] * 3


def test_the_runs_id_waits_for_no_import_of_what_draws() -> None:
    script = "import sys, trialmaker.tracking.run; print({'matplotlib', 'optuna', 'sklearn'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=HANG_SECONDS)
    assert done.stdout == "set()\n", done.stderr


def test_a_run_that_the_first_instance_delivers_says_so(output: Path) -> None:
    with Tracker(run_start(output), is_delivered=False) as tracker:
        tracker.send(Metrics(1, {"loss": 1.0}))
    assert tracker.undelivered == "the first instance brings it to MLflow" and not tracker.known_run_id

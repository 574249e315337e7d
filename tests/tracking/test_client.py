"""The client alone, without a training: the tracking process, its store, and how runs end."""

import resource
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import pytest

from support.entry import PROJECT, Result
from support.waiting import wait_until
from trialmaker.errors import UserError
from trialmaker.tracking.client import Tracker
from trialmaker.tracking.messages import Metrics, Start


@pytest.fixture
def output(tmp_path: Path) -> Path:
    output = tmp_path / "output"
    output.mkdir()
    return output


def run_start(output: Path) -> Start:
    return Start(None, output, "e", "run", output, PROJECT, {}, "", 2.0)


def trial_start(output: Path, number: int) -> Start:
    return Start(None, output, "e", f"trial {number}", output, PROJECT, {}, "", 2.0, "study", number)


def trial_runs(output: Path) -> list[mlflow.entities.Run]:
    return [run for run in Result(0, "", "", output).runs() if "trialmaker.trial" in run.data.tags]


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
        tracker.wait_for_end()
    assert not list(output.glob("*.db*")) and not list(output.glob(".*.new*"))


def test_a_run_whose_tracking_process_dies_says_so_and_the_next_one_has_another(output: Path) -> None:
    reason = f"it ended without a word; see {output}/tracking.log"
    with pytest.raises(UserError) as raised, Tracker(run_start(output)) as tracker:
        tracker.connection.process.kill()
    assert str(raised.value) == f"MLflow tracking at sqlite:///{output}/mlflow.db failed: {reason}"
    with pytest.raises(UserError, match="it ended without a word"):
        _ = tracker.run_id
    with pytest.raises(ValueError, match="the loop's"), Tracker(run_start(output)) as tracker:
        tracker.connection.process.kill()
        raise ValueError("the loop's own error comes before MLflow's")
    with Tracker(run_start(output)) as tracker:
        assert tracker.run_id
    tracker.connection.close()
    (run,) = Result(0, "", "", output).runs()
    assert run.info.status == "FINISHED"


def test_a_store_that_was_half_made_when_its_process_was_killed_is_made_anew(output: Path) -> None:
    for _ in range(2):
        tracker = Tracker(run_start(output))
        wait_until((output / ".mlflow.db.new").exists)
        time.sleep(0.2)
        tracker.connection.process.kill()
        tracker.connection.close()
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
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=60)
    wait_until(lambda: not Path(f"/proc/{int(done.stdout)}").exists(), seconds=20)
    assert [run.info.status for run in Result(0, "", "", tmp_path).runs()] == ["KILLED"]


def test_processes_that_start_together_share_a_new_store(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from trialmaker.errors import UserError
from trialmaker.tracking.client import Tracker
from trialmaker.tracking.messages import Start
output = Path(sys.argv[1])
with Tracker(Start(None, output, "e", "run", output, output, {}, "", 2.0)):
    pass
"""
    commands = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path)]) for _ in range(3)]
    assert [command.wait(timeout=120) for command in commands] == [0, 0, 0]
    assert [run.info.status for run in Result(0, "", "", tmp_path).runs()] == ["FINISHED"] * 3


def test_a_trial_whose_store_fails_after_it_was_trained_counts(output: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Tracker(trial_start(output, 0)):
        pass
    with Tracker(trial_start(output, 1)) as tracker:
        tracker.connection.process.kill()
    (record,) = caplog.records
    assert record.message.endswith(f"see {output}/tracking.log; the trial counts, but is not recorded there")


def test_the_runs_id_waits_for_no_import_of_what_draws() -> None:
    script = "import sys, trialmaker.tracking.run; print({'matplotlib', 'optuna', 'sklearn'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout == "set()\n", done.stderr

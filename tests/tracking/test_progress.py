"""What the tracking process reports, and who waits for it."""

import json
import threading
import time
from pathlib import Path

import pytest

from support.waiting import HANG_SECONDS
from trialmaker.tracking.places import RunPlace
from trialmaker.tracking.progress import Progress, RunProgress


def begin(progress: Progress, name: str) -> RunProgress:
    return progress.begin_run(RunPlace(Path("/", name), Path("/output"), "http://me:secret@host"), "")


def tell(progress: Progress, name: str, **reply: object) -> None:
    progress.accept(json.dumps({"run": f"/{name}", **reply}).encode() + b"\n")


def test_each_run_has_its_own_replies() -> None:
    progress = Progress()
    first, second = begin(progress, "a"), begin(progress, "b")
    tell(progress, "a", run_id="1")
    tell(progress, "b", run_id="2")
    tell(progress, "a", done=True)
    assert (first.run_id, first.is_done, second.run_id, second.is_done) == ("1", True, "2", False)
    assert progress.undelivered() == [second]
    tell(progress, "b", refused="OSError: no http://me:secret@host")
    assert str(second.error) == "MLflow tracking at http://***@host failed: OSError: no http://***@host"
    assert progress.undelivered() == [] and second.is_settled


def test_a_store_is_away_until_it_is_back() -> None:
    progress = Progress()
    run = begin(progress, "a")
    tell(progress, "a", away="gone")
    assert run.away == "gone"
    tell(progress, "a", back=True)
    assert run.away == ""


def test_a_wait_ends_with_the_condition_or_in_time() -> None:
    progress = Progress()
    run = begin(progress, "a")
    teller = threading.Timer(0.1, tell, (progress, "a"), {"run_id": "1"})
    teller.start()
    progress.wait(lambda: run.run_id, lambda: HANG_SECONDS)
    assert run.run_id == "1"
    begun = time.monotonic()
    progress.wait(lambda: run.is_settled, lambda: 0.05)
    assert 0.05 <= time.monotonic() - begun < HANG_SECONDS


def test_the_limit_is_another_one_when_the_store_is_away() -> None:
    progress = Progress()
    run = begin(progress, "a")
    teller = threading.Timer(0.1, tell, (progress, "a"), {"away": "gone"})
    teller.start()
    progress.wait(lambda: run.is_settled, lambda: 0.2 if run.away else HANG_SECONDS)
    assert run.away == "gone"


def test_a_bug_is_raised_always_again() -> None:
    progress = Progress()
    run = begin(progress, "a")
    progress.accept(b'{"bug": "Traceback: http://me:secret@host"}\n')
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"^the tracking process failed: Traceback: http://\*\*\*@host$"):
            progress.wait(lambda: run.is_settled, lambda: HANG_SECONDS)


def test_where_no_process_is_left_nobody_waits() -> None:
    progress = Progress()
    run = begin(progress, "a")
    progress.end_all("it cannot go on")
    progress.wait(lambda: run.is_settled, lambda: HANG_SECONDS)
    assert (run.away, run.is_given_up, run.is_done) == ("it cannot go on", True, False)

"""Runs whose process is gone: delivered and ended by whoever comes next, and only where that is right."""

import json
import os
import re
import shutil
import signal
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from support.entry import PROJECT, Result
from support.journals import dead_journal, write_journal
from support.outputs import empty_store
from support.servers import free_port
from support.waiting import HANG_SECONDS, wait_until
from trialmaker.cli.main import main
from trialmaker.tracking import connection, recovery, recovery_process
from trialmaker.tracking.backoff import Backoff
from trialmaker.tracking.client import Tracker
from trialmaker.tracking.delivery import Delivery, Live
from trialmaker.tracking.journal_messages import RecordError, own_storage
from trialmaker.tracking.messages import End, Metrics, Start
from trialmaker.tracking.output_journals import find_outputs
from trialmaker.tracking.places import RunPlace
from trialmaker.tracking.store_watch import StoreWatch


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """An output with an empty store."""
    output = tmp_path / "V0001"
    output.mkdir()
    (output / "mlflow.db").write_bytes(empty_store())
    with closing(sqlite3.connect(output / "mlflow.db")) as store, store:
        store.execute("UPDATE experiments SET artifact_location = ?", ((output / "mlartifacts" / "0").as_uri(),))
    return output


def runs(output: Path) -> list[mlflow.entities.Run]:
    return Result(0, "", "", output).runs()


def lines_of_recovery(output: Path, *addresses: str) -> list[str]:
    lines: list[str] = []
    recovery.recover(output, addresses, lines.append)
    return lines


def test_a_dead_run_is_delivered_and_killed_and_another_time_changes_nothing(output: Path) -> None:
    dead_journal(output)
    assert lines_of_recovery(output) == [f"{output}/logs/one (run one): delivered to sqlite:///{output}/mlflow.db"]
    (run,) = runs(output)
    assert (run.info.status, run.info.run_name, run.data.params) == ("KILLED", "run one", {"a": "b"})
    assert run.data.tags["trialmaker.end"] == "the process vanished"
    client = MlflowClient(f"sqlite:///{output / 'mlflow.db'}")
    history = client.get_metric_history(run.info.run_id, "val_accuracy")
    assert [(one.step, one.value) for one in history] == [(1, 0.1), (2, 0.2), (3, 0.3)]
    before = (output / "mlflow.db").read_bytes()
    assert lines_of_recovery(output) == []
    assert (output / "mlflow.db").read_bytes() == before


def test_a_run_whose_end_mlflow_lacks_gets_the_end_that_it_had(output: Path) -> None:
    dead_journal(output, "one", end="FINISHED")
    dead_journal(output, "two", end="FAILED")
    assert len(lines_of_recovery(output)) == 2
    assert {run.info.run_name: run.info.status for run in runs(output)} == {"run one": "FINISHED", "run two": "FAILED"}


def test_a_run_that_a_process_works_on_is_left_alone(output: Path) -> None:
    journal = write_journal(output)
    assert lines_of_recovery(output) == []
    journal.close()
    text = journal.path.read_text()
    attempt = json.loads(text.splitlines()[1])
    journal.path.write_text(text.replace(json.dumps(attempt["host"]), '"another machine"'))
    assert lines_of_recovery(output) == []  # whose locks may not be seen here
    old = time.time() - 130
    os.utime(journal.path, (old, old))
    assert len(lines_of_recovery(output)) == 1


def test_the_run_of_a_study_ends_when_no_process_works_on_a_trial(output: Path) -> None:
    first = dead_journal(output, "s/0", end="FINISHED", study="s", trial=0)
    second = write_journal(output, "s/1", study="s", trial=1)
    lines_of_recovery(output)
    statuses = {run.info.run_name: run.info.status for run in runs(output)}
    assert statuses == {"run s": "RUNNING", "run s/0": "FINISHED"}
    second.close()
    assert len(lines_of_recovery(output)) == 1  # this process has worked on both trials, and may begin a third
    for path in (first, second.path):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps(one | ({"pid": 1} if "pid" in one else {})) + "\n" for one in lines))
    store = f"sqlite:///{output}/mlflow.db"
    assert lines_of_recovery(output) == [f"study s: no process works on it; KILLED in {store}"]
    assert {run.info.run_name: run.info.status for run in runs(output)} == {
        "run s": "KILLED",
        "run s/0": "FINISHED",
        "run s/1": "KILLED",
    }
    assert lines_of_recovery(output) == []


def test_a_received_output_reaches_its_own_store_alone(output: Path, tmp_path: Path) -> None:
    """Neither a server of its journal nor a place of its store is written to."""
    elsewhere = tmp_path / "elsewhere"
    dead_journal(output, "server", uri=f"sqlite:///{tmp_path}/mine.db")
    dead_journal(output, "own")
    with closing(sqlite3.connect(output / "mlflow.db")) as store, store:
        store.execute("UPDATE experiments SET name = 'digits', artifact_location = ?", (elsewhere.as_uri(),))
    moved = Path(shutil.move(output, tmp_path / "downloads"))
    assert len(lines_of_recovery(moved)) == 1
    assert not elsewhere.exists() and not (tmp_path / "mine.db").exists()
    (run,) = runs(moved)
    assert run.info.artifact_uri.startswith(moved.as_uri())


def test_the_next_run_puts_right_what_an_earlier_one_has_left(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_connections", [])  # in that of earlier tests, a run may wait for its store
    dead_journal(output)
    directory = output / "logs" / "next"
    directory.mkdir()
    with Tracker(Start(None, output, "digits", "next", directory, PROJECT, {}, "", 2.0)) as tracker:
        pass
    tracker.connection.close()
    wait_until(lambda: sorted(run.info.status for run in runs(output)) == ["FINISHED", "KILLED"])


def test_a_recovery_that_takes_too_long_ends_with_a_line_and_leaves_no_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(recovery_process, "LONGEST_MINUTES", 0.01)
    reader, writer = os.pipe()
    try:
        with os.fdopen(reader) as stdin, pytest.raises(SystemExit, match=r"their delivery ended after"):
            monkeypatch.setattr("sys.stdin", stdin)  # which says nothing
            recovery_process.main()
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        os.close(writer)
    assert list(tmp_path.iterdir()) == []


def test_outputs_are_found_below_a_folder(output: Path) -> None:
    assert list(find_outputs(output.parent)) == []
    dead_journal(output, "study/0")
    assert list(find_outputs(output.parent)) == list(find_outputs(output)) == [output]


# ---- the command


def sync(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, list[str], list[str]]:
    code = main(["sync", *map(str, words)])
    captured = capsys.readouterr()
    return code, captured.out.splitlines(), captured.err.splitlines()


def test_sync_says_what_it_delivers_and_then_that_there_is_nothing(
    output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dead_journal(output)
    line = f"{output}/logs/one (run one): delivered to sqlite:///{output}/mlflow.db"
    assert sync(capsys, output.parent) == (0, [line], [])
    nothing = "nothing to deliver: MLflow has all runs, but those that a process works on"
    assert sync(capsys, output) == (0, [nothing], [])
    missing = output / "missing"
    assert sync(capsys, missing) == (2, [], [f"trialmaker: error: {missing}: there is no such directory"])


def test_sync_sends_to_no_server_that_nobody_named_and_waits_for_none_that_is_away(
    output: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = f"http://127.0.0.1:{free_port()}"
    for name in ("one", "two"):
        dead_journal(output, name, uri=f"http://me:secret@{server.removeprefix('http://')}")
    code, out, err = sync(capsys, output)
    redacted = server.replace("//", "//***@")
    assert (code, out) == (2, [])
    assert err[0] == (
        f"trialmaker: error: {output}/logs/one (run one): was recorded for {redacted}, which gets it if you trust it:"
        f" python -m trialmaker sync {output} --to '{redacted}'"
    )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:secret@{server.removeprefix('http://')}")
    code, out, err = sync(capsys, output)
    assert (code, out) == (2, []) and "secret" not in "".join(err)
    assert err[0].startswith(f"trialmaker: error: {output}/logs/one (run one): not delivered to {redacted}: ")
    assert err[1] == f"trialmaker: error: {output}/logs/two (run two): not delivered to {redacted} either"


def test_compare_shows_a_dead_run_as_killed(output: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    dead_journal(output)
    assert main(["compare", str(output), "--store", str(tmp_path / "merged"), "--columns", "status"]) == 0
    captured = capsys.readouterr()
    assert captured.err == f"{output}/logs/one (run one): delivered to sqlite:///{output}/mlflow.db\n"
    assert "killed" in captured.out.lower()


# ---- a store that cannot be used


def test_the_runs_of_a_store_that_was_set_aside_are_in_the_new_one_too(output: Path) -> None:
    dead_journal(output, "one", end="FINISHED")
    dead_journal(output, "elsewhere", uri=f"sqlite:///{output}/team.db")
    lines_of_recovery(output, f"sqlite:///{output}/team.db")
    (output / "mlflow.db").write_text("no database")
    notices: list[dict] = []
    watch = StoreWatch(RunPlace(output, output), notices.append)
    assert watch.clear_place()
    watch.begin_anew()
    end = "; it is as it was; what 1 runs have in logs/ is delivered to the new store too"
    assert [one["notice"].endswith(end) for one in notices] == [True]
    assert len(lines_of_recovery(output, f"sqlite:///{output}/team.db")) == 1
    assert [run.info.status for run in runs(output)] == ["FINISHED"]


def test_a_study_of_a_received_output_opens_no_storage_elsewhere(output: Path, tmp_path: Path) -> None:
    place = tmp_path / "studies" / "s.log"
    for storage in (str(place), f"sqlite:///{place}.db"):
        with pytest.raises(RecordError, match="only the study itself can record its result"):
            own_storage(storage, output)
    (output / "studies").mkdir()
    (output / "studies" / "s.log").touch()
    assert own_storage(str(place), output) == str(output / "studies" / "s.log")  # it has been moved


def test_a_store_that_breaks_while_it_is_written_to_is_replaced_and_gets_all(output: Path) -> None:
    journal, stop = write_journal(output), threading.Event()
    messages: list[dict] = []
    live = Live(stop, Backoff(stop), lambda: False)
    thread = threading.Thread(target=Delivery(RunPlace(journal.directory, output), messages.append, live).follow)
    thread.start()
    wait_until(lambda: {"run_id"} in [set(one) for one in messages])
    (output / "mlflow.db").write_bytes(b"garbage " * 100_000)
    journal.append(Metrics(4, {"val_accuracy": 0.4}), "epoch 4")
    wait_until(lambda: len(messages) >= 3)
    (output / "mlflow.db").unlink()  # by a person
    journal.append(Metrics(5, {"val_accuracy": 0.5}), "epoch 5")
    journal.append(End("FINISHED"))
    journal.close()
    thread.join(HANG_SECONDS)
    kinds = [kind for message in messages for kind in message]
    assert kinds == ["run_id", "notice", "run_id", "run_id"]
    # "is damaged" where a transaction that was going on wrote its pages, the header's too, after the garbage
    fault = r"mlflow\.db (is no SQLite database|is damaged \(.*\)): a new store takes its place"
    assert re.search(fault, messages[1]["notice"])
    (run,) = runs(output)
    assert run.info.status == "FINISHED"
    history = MlflowClient(f"sqlite:///{output}/mlflow.db").get_metric_history(run.info.run_id, "val_accuracy")
    assert [one.step for one in history] == [1, 2, 3, 4, 5]

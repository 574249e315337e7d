"""The copy of an earlier job's output: what is there after kills, on full disks, of damaged and of strangers' files."""

import errno
import fcntl
import json
import logging
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import mlflow
import pytest

from support.journals import dead_journal
from support.stores import create_store
from trialmaker.errors import UserError
from trialmaker.experiment.resume import earlier_job
from trialmaker.experiment.resume.earlier_job import copy_output, given_output, prepare_study
from trialmaker.tracking import recovery
from trialmaker.tracking.delivery_state import DeliveryState
from trialmaker.tracking.sqlite_store import close_connections

KEY = "0123456789abcdef"
# Copies again and again in a child, which is killed 0.1 ms later each time, until one is done before its kill.
KILLS = """
import os, signal, sys, time
from pathlib import Path
from trialmaker.experiment.resume.earlier_job import copy_output
source, output = map(Path, sys.argv[1:])
status, kills = 1, 0
while status:
    if not (pid := os.fork()):
        copy_output(source, output)
        os._exit(0)
    time.sleep(kills * 1e-4)
    os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    kills += 1
    if (output / "logs" / "one").exists():
        assert (output / "mlflow.db").exists() and (output / "checkpoints/one/checkpoint-1.npz").stat().st_size == 50000
        assert (output / "logs/one/tracking.jsonl").read_bytes() == (source / "logs/one/tracking.jsonl").read_bytes()
print(kills)
"""
_made: list[Path] = []  # an earlier job's output; at most one


@pytest.fixture
def source(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of an earlier job, whose run was killed and is in MLflow."""
    if not _made:
        output = tmp_path_factory.mktemp("earlier") / "output"
        create_store(output)
        dead_journal(output, run_key=KEY)
        recovery.recover(output, (), str)
        close_connections(output / "mlflow.db")
        for name, size in (("checkpoints/one/checkpoint-1.npz", 50000), ("model/1/card.json", 2)):
            (output / name).parent.mkdir(parents=True)
            (output / name).write_bytes(bytes(size))
        _made.append(output)
    place = tmp_path / "input" / "resume"
    shutil.copytree(_made[0], place)
    return place


def recorded(output: Path) -> list[tuple[str, int]]:
    """Deliver what MLflow lacks; return the key of each run, and how many values of a metric it has."""
    recovery.recover(output, (), str)
    client = mlflow.MlflowClient(f"sqlite:///{output / 'mlflow.db'}")
    runs = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    assert all(run.info.artifact_uri.startswith((output / "mlartifacts").as_uri()) for run in runs)
    return [
        (run.data.tags["trialmaker.run_key"], len(client.get_metric_history(run.info.run_id, "val_accuracy")))
        for run in runs
    ]


def hidden(output: Path) -> list[str]:
    return sorted(path.name for path in output.rglob(".*") if not path.name.endswith(".lock"))


def test_a_kill_at_any_instant_leaves_one_whole_run_in_mlflow(source: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    words = [sys.executable, "-W", "error", "-c", KILLS, str(source), str(output)]
    result = subprocess.run(words, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) > 20
    copy_output(source, output)
    assert hidden(output) == []
    assert recorded(output) == [(KEY, 3)]


@pytest.mark.parametrize("later", [("logs",), ("logs", "mlflow.db"), ("logs", "mlflow.db", "mlartifacts", "model")])
def test_a_copy_that_was_killed_between_two_names_is_completed(
    source: Path, tmp_path: Path, later: tuple[str, ...]
) -> None:
    output = tmp_path / "output"
    copy_output(source, output)
    for name in later:
        shutil.rmtree(output / name, ignore_errors=True)
        (output / name).unlink(missing_ok=True)
    (output / ".resume-dead" / "logs").mkdir(parents=True)
    copy_output(source, output)
    assert hidden(output) == [] and (output / "model" / "1").is_dir()
    state = DeliveryState.read(output / "logs" / "one" / "tracking.state.json")
    assert (state.is_creating, bool(state.run_id)) == (later == ("logs",), later != ("logs",))
    if state.is_creating:
        assert recorded(output) == [(KEY, 3)]


@contextmanager
def open_transaction(store: Path, mode: str) -> Iterator[None]:
    """Write to a store without an end, as of a process that is killed in that: with its pages in the file already."""
    with closing(sqlite3.connect(store)) as connection:
        connection.execute(f"PRAGMA journal_mode = {mode}")
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("UPDATE experiments SET name = 'changed ' || name")
        connection.executemany("INSERT INTO experiments (name) VALUES (?)", [(f"{at:01000}",) for at in range(100)])
        yield
        connection.rollback()


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_store_whose_process_was_killed_in_a_transaction_comes_along(source: Path, tmp_path: Path, mode: str) -> None:
    output, given = tmp_path / "output", tmp_path / "input" / "killed"
    query = "SELECT name, lifecycle_stage FROM experiments"
    with closing(sqlite3.connect(source / "mlflow.db")) as store:
        rows = store.execute(query).fetchall()
    with open_transaction(source / "mlflow.db", mode):
        shutil.copytree(source, given)
    files = {path: path.read_bytes() for path in given.glob("mlflow.db*")}
    assert len(files) > 1
    copy_output(given, output)
    assert {path: path.read_bytes() for path in given.glob("mlflow.db*")} == files
    assert [path.name for path in output.glob("mlflow.db*")] == ["mlflow.db"] and hidden(output) == []
    with closing(sqlite3.connect(output / "mlflow.db")) as store:
        assert store.execute(query).fetchall() == rows
        assert store.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.parametrize("kind", ["garbage", "torn", "foreign"])
def test_a_store_that_cannot_be_used_is_left_out(
    source: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    file, output = source / "mlflow.db", tmp_path / "output"
    if kind == "torn":
        file.write_bytes(file.read_bytes()[:20000])
    else:
        file.write_bytes(b"garbage" * 1000 if kind == "garbage" else b"")
    copy_output(source, output)
    (line,) = caplog.messages
    assert line.startswith(f"{file} is left out: ") and "\n" not in line
    assert not list(output.glob("ml*")) and hidden(output) == []
    assert DeliveryState.read(output / "logs" / "one" / "tracking.state.json") == DeliveryState(is_creating=True)
    if kind == "garbage":
        create_store(output)  # as the next training does
        assert recorded(output) == [(KEY, 3)]


def test_a_store_that_computes_is_left_out_before_it_does(
    source: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """SQLite's own check of a file computes its conditions, in calls that take any memory and that nothing ends."""
    with closing(sqlite3.connect(source / "mlflow.db")) as store, store:
        store.execute("PRAGMA writable_schema = ON")
        condition = ", CHECK (length(hex(zeroblob(10000000))) > 0))"
        store.execute(
            "UPDATE sqlite_master SET sql = rtrim(sql, ' )' || char(10)) || '))' || ? WHERE name = 'runs'", (condition,)
        )
    copy_output(source, tmp_path / "output")
    (line,) = caplog.messages
    assert "is left out: holds a table, runs, and not only plain tables" in line
    assert not (tmp_path / "output" / "mlflow.db").exists()


def test_what_a_server_has_is_not_forgotten(source: Path, tmp_path: Path) -> None:
    output, path = tmp_path / "output", Path("logs", "one", "tracking.state.json")
    state = DeliveryState("http://server", "1", "run", 10)
    state.write(source / path)
    (source / "mlflow.db").unlink()
    copy_output(source, output)
    assert DeliveryState.read(output / path) == state


def test_links_and_pipes_are_left_out(source: Path, tmp_path: Path) -> None:
    elsewhere, output = tmp_path / "elsewhere", tmp_path / "output"
    elsewhere.mkdir()
    (elsewhere / "secret").write_text("secret")
    shutil.rmtree(source / "model")
    for name in ("model", "studies", "tensorboard", "mlartifacts", "logs/two", "logs/one/link"):
        shutil.rmtree(source / name, ignore_errors=True)
        (source / name).symlink_to(elsewhere)
    for name in ("logs/pipe", "logs/one/pipe"):
        os.mkfifo(source / name)
    copy_output(source, output)
    assert [path.name for path in (output / "logs").iterdir()] == ["one"]
    assert not list(output.rglob("secret")) and not list(output.rglob("pipe")) and not list(output.rglob("link"))
    assert sorted(path.name for path in output.iterdir() if not path.name.startswith(".")) == [
        "checkpoints",
        "logs",
        "mlflow.db",
    ]


def test_a_full_disk_leaves_nothing_and_the_same_again_goes_on(source: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in (1, 40_000, 60_000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            with pytest.raises(OSError, match="No space left") as error:
                copy_output(source, output)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert (error.value.errno, error.value.filename) == (errno.ENOSPC, str(output))
        assert {path.name for path in output.iterdir()} == {".resume.lock"}
    copy_output(source, output)
    assert (output / "logs" / "one").is_dir()


def test_a_file_that_cannot_be_read_is_named(source: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(source, f"{folder}/resume")
        file = Path(folder, "resume", "logs", "one", "tracking.jsonl")
        file.chmod(0)
        for path in (Path(folder), *Path(folder).rglob("*")):
            if path != file:
                path.chmod(0o777)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        try:
            with pytest.raises(UserError) as error:
                copy_output(Path(folder, "resume"), Path(folder, "output"))
        finally:
            os.seteuid(user)
        law = "the earlier job's output must be copied to this one's; mend it, or resume=never starts anew"
        assert str(error.value) == f"{file}: Permission denied: {law}"


def test_read_only_files_are_copied_to_writable_ones_of_the_same_time(source: Path, tmp_path: Path) -> None:
    file = source / "logs" / "one" / "tracking.jsonl"
    file.chmod(0o444)
    os.utime(file, (1000, 1000))
    file.parent.chmod(0o555)
    copy_output(source, tmp_path / "output")
    copy = tmp_path / "output" / "logs" / "one" / "tracking.jsonl"
    assert (copy.stat().st_mode & 0o777, copy.parent.stat().st_mode & 0o777) == (0o644, 0o755)
    assert copy.stat().st_mtime == 1000


def test_two_jobs_on_one_output_copy_one_after_the_other(source: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    output.mkdir()
    thread = threading.Thread(target=copy_output, args=(source, output))
    with (output / ".resume.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        thread.start()
        thread.join(0.1)
        assert thread.is_alive() and {path.name for path in output.iterdir()} == {".resume.lock"}
    thread.join()
    copy_output(source, output)
    state = DeliveryState.read(output / "logs" / "one" / "tracking.state.json")
    assert state.run_id and hidden(output) == []


def test_a_store_that_another_job_makes_meanwhile_stays(source: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    output.mkdir()
    thread = threading.Thread(target=copy_output, args=(source, output))
    with (output / ".mlflow.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        thread.start()
        while not list(output.glob(".resume-*/mlartifacts/*")):
            thread.join(0.01)
            assert thread.is_alive()
        (output / "mlflow.db").write_bytes(b"theirs")
    thread.join()
    assert (output / "mlflow.db").read_bytes() == b"theirs" and not (output / "mlartifacts").exists()
    assert DeliveryState.read(output / "logs" / "one" / "tracking.state.json") == DeliveryState(is_creating=True)


def test_artifacts_that_are_there_stay(source: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    for place, names in ((output, ("1/old/a", "1/both/a")), (source, ("1/new/b", "1/both/a", "1/both/b"))):
        for name in names:
            (place / "mlartifacts" / name).parent.mkdir(parents=True, exist_ok=True)
            (place / "mlartifacts" / name).write_text(place.name)
    copy_output(source, output)
    texts = {str(path.relative_to(output)): path.read_text() for path in output.glob("mlartifacts/1/*/*")}
    assert {name.removeprefix("mlartifacts/1/"): text for name, text in texts.items()} == {
        "old/a": "output",
        "both/a": "output",
        "both/b": "resume",
        "new/b": "resume",
    }


def test_of_several_outputs_the_latest_by_its_records_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("AI_ROOT", str(tmp_path))
    folder = tmp_path / "input" / "resume"
    latest = folder / "V0012" / "output"
    for place, time in ((latest, 2000), (folder / "V0013", 1000)):
        journal = dead_journal(place)
        with journal.open("a") as file:
            file.write(json.dumps({"type": "attempt", "time": 3 * 10**12 + time}) + "\n")
    assert given_output() == latest
    assert caplog.messages == [f"{folder}: holds 2 outputs: V0012/output is the latest, and is taken"]
    (folder / "V0014").symlink_to(latest)
    shutil.rmtree(folder / "V0013")
    assert given_output() == latest and len(caplog.messages) == 1


def test_a_line_says_whether_the_study_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from optuna import create_study

    from optuna_sweep.storage import open_storage

    caplog.set_level(logging.INFO, earlier_job.log.name)
    monkeypatch.setenv("AI_ROOT", str(tmp_path))
    source = tmp_path / "input" / "resume"
    (source / "logs").mkdir(parents=True)
    create_study(study_name="asha_digits", storage=open_storage(str(source / "studies" / "asha.log")))
    lines = {}
    for number, study in enumerate(("asha_digits", "asha_mnist", "grid_digits")):
        output = tmp_path / f"output{number}"
        file = output / "studies" / f"{study.partition('_')[0]}.log"
        prepare_study(output, study, str(file))
        lines[study] = [line for line in caplog.messages if line.startswith(str(source))][number:]
        assert earlier_job.failure() is None
    assert lines == {
        "asha_digits": [f"{source}: its study asha_digits goes on, from studies/asha.log"],
        "asha_mnist": [f"{source}: holds no study asha_mnist in studies/asha.log: it begins anew"],
        "grid_digits": [f"{source}: holds no study grid_digits in studies/grid.log: it begins anew"],
    }
    prepare_study(tmp_path / "output0", "asha_digits", str(tmp_path / "output0" / "studies" / "asha.log"))
    prepare_study(tmp_path / "output3", "asha_digits", "sqlite:///elsewhere.db")
    assert len([line for line in caplog.messages if line.startswith(str(source))]) == 3

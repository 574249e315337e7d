"""Temporary files, and a container that has no place for them but ``AI_ROOT``."""

import os
import signal
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.bare_container import ROOT, bare_container
from support.entry import PROJECT, SMALL
from support.servers import free_port
from support.waiting import HANG_SECONDS, wait_until
from trialmaker.platform import scratch

TRAIN, PREDICT = (str(PROJECT / name) for name in ("train.py", "predict.py"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def run(root: Path, *words: str) -> str:
    """Run a command in the container; return what it printed."""
    done = subprocess.run(bare_container(root, *words), cwd=PROJECT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    return done.stdout


@contextmanager
def server(root: Path, *words: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        bare_container(root, *words), cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=HANG_SECONDS)
    assert process.returncode == 0 and "Traceback" not in out, out


def test_a_container_needs_nothing_that_can_be_written_to_but_its_root(root: Path) -> None:
    out = run(root, TRAIN, *SMALL, "training.epochs=2")
    assert f"best model: {ROOT}/output/model/" in out and "MLflow run: " in out
    assert (root / "output" / "success").exists() and list((root / "output" / "mlartifacts").rglob("*.png"))
    port = free_port()
    with server(root, PREDICT, "--workers", "2", "--host", "127.0.0.1", "--port", str(port)) as process:
        assert process.stdout and process.stdout.readline().startswith("serving mlp ")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=HANG_SECONDS) as answer:
            assert answer.status == 200
    wait_until(lambda: not (root / "tmp").exists())  # who puts right other runs may be late


def test_a_job_needs_nothing_else_either(root: Path) -> None:
    code = root / "code"
    code.mkdir()
    (code / "train.py").write_text("import tempfile; print('temporary', tempfile.gettempdir())")
    subprocess.run(["git", "init", "-q", code], check=True)
    subprocess.run(["git", "-C", code, "add", "."], check=True)
    assert "FINISH" in run(root, "-m", "trialmaker", "job", "--code", str(ROOT / "code"))
    assert (root / "jobs" / "V0001").is_dir() and not (root / "tmp").exists()


def test_folders_of_processes_that_live_and_of_others_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    others = [tmp_path / name for name in ("trialmaker-notes", "mine")]
    for folder in others:
        folder.mkdir()
    (tmp_path / "trialmaker-link").symlink_to(tmp_path / "mine")
    (tmp_path / "mine" / scratch.FOLDER_LOCK).touch()
    before = tempfile.gettempdir()
    with scratch.process_folder():
        first = Path(tempfile.mkdtemp()).parent
        with scratch.process_folder():
            second = Path(tempfile.mkdtemp()).parent
            assert first.exists() and second != first and first.parent == second.parent == tmp_path
        assert tempfile.gettempdir() == str(first) and not second.exists()
    assert tempfile.gettempdir() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "trialmaker-link", "trialmaker-notes"]


def test_an_environment_that_has_all_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    before = dict(os.environ)
    with scratch.process_folder():
        assert dict(os.environ) == before
    assert dict(os.environ) == before


def test_a_home_that_is_missing_is_a_temporary_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path / "nowhere"))
    with scratch.process_folder():
        first = Path.home()
        assert first.is_dir() and first.is_relative_to(tempfile.gettempdir())
        with scratch.process_folder():  # a process that this one starts, and that may outlive it
            assert Path.home().is_dir() and Path.home() != first
        assert Path.home() == first
    assert os.environ["HOME"] == str(tmp_path / "nowhere")


def test_what_is_kept_outlives_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with scratch.process_folder():
        folder = Path(tempfile.mkdtemp())
        (folder / "result").touch()
        kept = scratch.keep(folder)
    with scratch.process_folder():
        assert (kept / "result").exists()

"""SIGKILL of a command leaves nothing behind that runs, and the next start clears what it left on the disk."""

import re
import signal
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from support.processes import command, processes_of
from support.waiting import HANG_SECONDS, expect_value, wait_until
from trialmaker.analysis.mlflow_ui import exit_on_signals
from trialmaker.cli.main import main
from trialmaker.platform.emulator.process import StopRequests

CHILDREN = """
import os, pathlib, signal, subprocess, sys, time
sleeper = [sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"]
subprocess.Popen(sleeper)
subprocess.Popen(sleeper, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
pathlib.Path(os.environ["AI_ROOT"], "output", "half").touch()
print("root", os.environ["AI_ROOT"], flush=True)
time.sleep(600)
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A code directory whose boot file starts children, one in a session of its own."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "train.py").write_text(CHILDREN)
    subprocess.run(["git", "init", "-q", folder], check=True)
    subprocess.run(["git", "-C", folder, "add", "."], check=True)
    return folder


def first_line(process: "subprocess.Popen[str]", pattern: str) -> str:
    for line in process.stdout or ():
        if match := re.fullmatch(pattern, line.rstrip("\n")):
            return match[1]
    raise AssertionError(f"no line {pattern}")


def test_a_killed_job_leaves_no_process_and_the_next_one_clears_its_folders(
    code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary, jobs = tmp_path / "temporary", tmp_path / "jobs"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    words = ("-m", "trialmaker", "job", "--code", str(code), "--output", str(jobs))
    with command(tmp_path, *words) as process:
        root = Path(first_line(process, "root (.*)"))
        wait_until(lambda: len(processes_of(tmp_path)) == 5)  # the watchdog, too; a new process has no environment yet
        process.kill()
        wait_until(lambda: not processes_of(tmp_path))
        assert root.is_relative_to(temporary) and root.exists()
    (code / "train.py").write_text("")
    assert main(["job", "--code", str(code), "--output", str(jobs)]) == 0
    assert list(temporary.iterdir()) == []
    assert [path.name for path in jobs.iterdir()] == ["V0001"], "what the killed one had taken was empty"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_stopped_job_leaves_no_process(code: Path, tmp_path: Path, number: signal.Signals) -> None:
    jobs = tmp_path / "jobs"
    (code / "train.py").write_text(CHILDREN.replace("subprocess.Popen(sleeper)", ""))
    words = ("-m", "trialmaker", "job", "--code", str(code), "--output", str(jobs))
    with command(tmp_path, *words) as process:
        root = Path(first_line(process, "root (.*)"))
        process.send_signal(number)
        assert process.wait(HANG_SECONDS) == 128 + signal.SIGTERM
        wait_until(lambda: not processes_of(tmp_path))
        assert not root.exists()
    assert (jobs / "V0001" / "half").exists()


@pytest.mark.parametrize("context", [StopRequests, exit_on_signals])
def test_a_hang_up_that_nohup_ignores_stays_ignored(context: Callable[[], AbstractContextManager[object]]) -> None:
    """Of ``job``, and of ``ui``."""
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with context():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, former)


def test_a_killed_installation_ends(code: Path, tmp_path: Path) -> None:
    words = ("-m", "trialmaker", "job", "--code", str(code), "--output", str(tmp_path / "jobs"), "--install")
    with command(tmp_path, *words, TMPDIR=str(tmp_path)) as process:
        wait_until(lambda: list(tmp_path.glob("trialmaker-*/trialmaker-job-*/venv/bin/python")))
        wait_until(lambda: len(processes_of(tmp_path)) > 2)  # the environment's own is busy with pip
        process.kill()
        wait_until(lambda: not processes_of(tmp_path))


def test_a_training_ends_in_order_with_the_command_that_started_it(tmp_path: Path) -> None:
    """As of ``rerun`` and ``best --seeds``."""
    (tmp_path / "train.py").write_text(
        "import pathlib, signal, sys, time\n"
        f"signal.signal(15, lambda *_: (pathlib.Path({str(tmp_path / 'stopped')!r}).touch(), sys.exit(143)))\n"
        "print('begun', flush=True)\ntime.sleep(600)\n"
    )
    program = (
        "import pathlib; from trialmaker.platform import paths; from trialmaker.analysis import training_command\n"
        f"paths.PROJECT = pathlib.Path({str(tmp_path)!r})\n"
        "training_command.run_training([], lambda line: print(line, flush=True))"
    )
    with command(tmp_path, "-c", program) as process:
        first_line(process, "(begun)")
        process.kill()
        wait_until(lambda: not processes_of(tmp_path))
    assert (tmp_path / "stopped").exists()


def test_nobody_else_is_ended(tmp_path: Path) -> None:
    program = (
        "import os, subprocess, sys, time\nfrom trialmaker.platform.watchdog import Watchdog\n"
        "mine, other = ([sys.executable, '-c', 'import time; time.sleep(600)'] for _ in range(2))\n"
        "with Watchdog('MINE=1/'):\n"
        "    print(subprocess.Popen(other, env=os.environ | {'MINE': '12'}).pid, flush=True)\n"
        "    mine = subprocess.Popen(mine, env=os.environ | {'MINE': '1/2'})\n"
        "assert mine.wait() == -9\n"
    )
    with command(tmp_path, "-c", program) as process:
        other = int(first_line(process, r"(\d+)"))
        assert process.wait(HANG_SECONDS) == 0
        expect_value(lambda: processes_of(tmp_path), [other])  # the watchdog ends after it


def test_a_child_stops_with_its_parent(tmp_path: Path) -> None:
    """As a run in a process of Hydra's joblib launcher."""
    child = (
        "import pathlib, signal, sys, time; from trialmaker.platform.watchdog import stop_with_parent\n"
        f"signal.signal(15, lambda *_: (pathlib.Path({str(tmp_path / 'stopped')!r}).touch(), sys.exit()))\n"
        "stop_with_parent(int(sys.argv[1])); print('begun', flush=True); time.sleep(600)"
    )
    parent = f"import os, subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}, str(os.getpid())])"
    with command(tmp_path, "-c", parent) as process:
        first_line(process, "(begun)")
        process.kill()
        wait_until(lambda: not processes_of(tmp_path))
    assert (tmp_path / "stopped").exists()

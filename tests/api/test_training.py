"""A training from Python, whatever its process does: a small program stands in for ``train.py``."""

import io
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import trialmaker
from support.waiting import wait_until
from trialmaker import UserError
from trialmaker.platform import paths

HEAD = "import os, signal, sys, time\nfrom pathlib import Path\n"
RESULT = """
from trialmaker.platform import training_report
from trialmaker.platform.run_result import RunResult
directory = Path("logs/run").absolute()
directory.mkdir(parents=True)
training_report.tell(output=directory.parents[1])
RunResult("", status="finished", model_directory="model/1").write(directory)
"""
KILL = "os.kill(os.getpid(), signal.SIGKILL)\n"
PRESENTED = """
from trialmaker.platform import training_report
training_report.tell(output="o", study="s", storage="s.log")
"""
Program = Callable[[str], None]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Have this be run in place of ``train.py``, in the test's directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(paths, "PROJECT", tmp_path)
    return lambda text: (tmp_path / "train.py").write_text(HEAD + text) and None


def test_a_run_says_itself_where_its_output_is(program: Program, tmp_path: Path) -> None:
    program(RESULT)
    run = trialmaker.train("experiment=of_a_place_of_its_own", quiet=True)
    with pytest.raises(UserError, match=r"^output=a\$\{b\}: must not contain \$\{, which Hydra takes for"):
        trialmaker.train(output="a${b}")
    assert (run.output, run.directory) == (tmp_path, tmp_path / "logs" / "run")
    assert run.model_folder == tmp_path / "model" / "1"


def test_what_cannot_be_read_or_printed_does_not_end_a_training(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    program("print('größer')\nsys.stdout.flush()\nsys.stdout.buffer.write(b'\\xff\\n')\n" + RESULT)
    printed = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(printed, encoding="ascii", write_through=True))
    assert trialmaker.train().status == "finished"
    assert printed.getvalue() == b"gr\\xf6\\xdfer\n\\ufffd\n"
    (Path("logs") / "run" / "result.json").unlink()
    Path("logs/run").rmdir()
    sys.stdout.close()
    assert trialmaker.train().status == "finished"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            f"print('last', flush=True)\n{KILL}",
            "train.py ended with exit code -9:\nlast\n",
        ),
        (f"{RESULT}{KILL}", "train.py ended with exit code -9:\n"),
        ("print('stopped')\nsys.exit(143)", "train.py ended with exit code 143:\nstopped\n"),
        ("raise SystemExit('a line')", "train.py ended with a bug:\na line\n"),
        ("", "train.py a=1 hydra.mode=RUN: left no result.json"),
    ],
)
def test_a_process_that_leaves_no_result(program: Program, text: str, message: str) -> None:
    program(text)
    with pytest.raises(RuntimeError) as caught:
        trialmaker.train("a=1", quiet=True)
    assert str(caught.value) == message.replace(" hydra.mode=RUN", "")


def test_a_study_that_is_only_shown_is_none(program: Program, tmp_path: Path) -> None:
    program("")
    with pytest.raises(UserError, match=r"^sweeps=mlp: is no study of Optuna's, or was only shown$"):
        trialmaker.study("mlp", "--help", quiet=True)
    program(PRESENTED)
    with pytest.raises(UserError, match=r"^s: has no trials in s\.log$"):
        trialmaker.study("mlp", "hydra.sweeper.dry_run=true", quiet=True)
    assert not (tmp_path / "s.log").exists()


LONG = """
def stop(*_):
    time.sleep(0.5)
    print("." * 100_000)  # more than a pipe holds
    Path("stopped").touch()
    sys.exit(143)
signal.signal(signal.SIGTERM, stop)
Path("begun").touch()
time.sleep(600)
"""


def test_ctrl_c_comes_back_when_the_training_has_ended(
    program: Program, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program(LONG)

    def interrupt() -> None:
        wait_until(lambda: (tmp_path / "begun").exists())
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        trialmaker.train()
    assert (tmp_path / "stopped").exists()
    assert len(capsys.readouterr().out) > 100_000
    thread.join()

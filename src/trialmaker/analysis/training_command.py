"""``train.py`` as a command of its own: what it prints, and what it tells of what it leaves."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress

from trialmaker.platform import paths, training_report
from trialmaker.platform.run_result import UNPUBLISHED, RunResult, read_result
from trialmaker.platform.signals import SHUTDOWN_SECONDS
from trialmaker.platform.training_report import REPORT_FILE, TrainingReport
from trialmaker.platform.watchdog import Watchdog

SINGLE_RUN = "hydra.mode=RUN"  # an override: a study's file asks for a study
MARGIN_SECONDS = 3.0  # beyond those in which a training ends in order


def run_training(
    words: Sequence[str], on_line: Callable[[str], None] = lambda _: None, *, withheld: str = ""
) -> tuple[int, RunResult | None]:
    """Run ``train.py`` once, and wait for its end; see ``run_commands``.

    Returns:
        the exit code, and the run's result; None where no run began.
    """
    code, report = run_commands(words, on_line, withheld=withheld)
    return code, read_result(report.results[-1]) if report.results else None


def run_commands(
    words: Sequence[str], on_line: Callable[[str], None], *, withheld: str = "", is_attached: bool = True
) -> tuple[int, TrainingReport]:
    """Run ``train.py``, and wait for its end. If this process is killed, the training is stopped in order.

    Args:
        words: what to type after ``train.py``.
        on_line: called with each line that it prints, its end included.
        withheld: why its model is not published; "" if it is.
        is_attached: whether it shares standard error and the terminal's signals. If not, its messages are lines too,
            and an exception here, such as Ctrl-C, stops it in order, and is raised when it has ended.

    Returns:
        the exit code, and what it tells of its runs.
    """
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as file:
        environment = os.environ | {REPORT_FILE: file.name, UNPUBLISHED: withheld}
        watchdog = Watchdog(f"{REPORT_FILE}={file.name}", grace_seconds=SHUTDOWN_SECONDS, is_final=False)
        with watchdog:
            process: subprocess.Popen[str] | None = None
            try:
                process = _start(words, environment, is_attached=is_attached)
                with process:
                    _pass_lines(process, on_line, is_attached=is_attached)
            except BaseException:
                # An interrupt may come when it has been started, but is not known or waited for here yet.
                watchdog.is_final = not is_attached and (process is None or process.poll() is None)
                raise
        report = training_report.read(file)
    return process.returncode, report


def _start(words: Sequence[str], environment: dict[str, str], *, is_attached: bool) -> "subprocess.Popen[str]":
    """Start the process; it prints in UTF-8, unless its standard error is this one's, which has an encoding."""
    return subprocess.Popen(
        [sys.executable, str(paths.PROJECT / "train.py"), *words],
        env=environment if is_attached else environment | {"PYTHONIOENCODING": "utf-8"},
        stdout=subprocess.PIPE,
        stderr=None if is_attached else subprocess.STDOUT,
        encoding=None if is_attached else "utf-8",
        errors="replace",
        start_new_session=not is_attached,
    )


def _pass_lines(process: "subprocess.Popen[str]", on_line: Callable[[str], None], *, is_attached: bool) -> None:
    """Call a function with each line of a process until it ends; after an exception here have it end first."""
    try:
        for line in process.stdout or ():
            on_line(line)
        process.wait()
    except BaseException:
        if not is_attached:
            _stop(process, on_line)
        raise


def _stop(process: "subprocess.Popen[str]", on_line: Callable[[str], None]) -> None:
    """Stop a process in order, and pass on what it still prints; kill it if it takes too long, or at an interrupt."""
    try:
        process.terminate()
        rest, _ = process.communicate(timeout=SHUTDOWN_SECONDS + MARGIN_SECONDS)
        with suppress(Exception):  # there is one on its way already
            for line in rest.splitlines(keepends=True):
                on_line(line)
    except subprocess.TimeoutExpired:
        pass
    finally:
        process.kill()  # which does nothing to one that has ended

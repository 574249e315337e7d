"""``train.py`` as a command of its own: what it prints, and the ``result.json`` that it leaves."""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from trialmaker.config.arguments.output import requested_output
from trialmaker.platform import paths
from trialmaker.platform.run_result import RunResult, result_of_process


def run_training(words: Sequence[str], on_line: Callable[[str], None] = lambda _: None) -> tuple[int, RunResult | None]:
    """Run ``train.py`` once, and wait for its end.

    Args:
        words: what to type after ``train.py``.
        on_line: called with each line that it prints, its end included.

    Returns:
        the exit code, and the run's result; None where the run did not begin.
    """
    since = time.time() - 1.0  # file systems keep times in coarser steps
    command = [sys.executable, str(paths.PROJECT / "train.py"), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            on_line(line)
    return process.returncode, result_of_process(requested_output(words), process.pid, since)

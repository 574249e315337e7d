"""``train.py`` as a command of its own: what it prints, and the ``result.json`` that it leaves."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from trialmaker.platform import paths
from trialmaker.platform.run_result import RESULT_LIST, UNPUBLISHED, RunResult, read_result
from trialmaker.platform.signals import SHUTDOWN_SECONDS
from trialmaker.platform.watchdog import Watchdog

SINGLE_RUN = "hydra.mode=RUN"  # an override: a study's file asks for a study


def run_training(
    words: Sequence[str], on_line: Callable[[str], None] = lambda _: None, *, withheld: str = ""
) -> tuple[int, RunResult | None]:
    """Run ``train.py`` once, and wait for its end. If this process is killed, the training is stopped in order.

    Args:
        words: what to type after ``train.py``.
        on_line: called with each line that it prints, its end included.
        withheld: why its model is not published; "" if it is.

    Returns:
        the exit code, and the run's result; None where no run began.
    """
    command = [sys.executable, str(paths.PROJECT / "train.py"), *words]
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as listing:
        environment = os.environ | {RESULT_LIST: listing.name, UNPUBLISHED: withheld}
        watchdog = Watchdog(f"{RESULT_LIST}={listing.name}", grace_seconds=SHUTDOWN_SECONDS, is_final=False)
        with watchdog, subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout or ():
                on_line(line)
        results = listing.read().splitlines()
    return process.returncode, read_result(Path(results[-1])) if results else None

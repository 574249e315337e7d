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
    """Run ``train.py`` once, and wait for its end; see ``run_commands``.

    Returns:
        the exit code, and the run's result; None where no run began.
    """
    code, results = run_commands(words, on_line, withheld=withheld)
    return code, read_result(results[-1]) if results else None


def run_commands(
    words: Sequence[str], on_line: Callable[[str], None], *, withheld: str = "", is_attached: bool = True
) -> tuple[int, list[Path]]:
    """Run ``train.py``, and wait for its end. If this process is killed, the training is stopped in order.

    Args:
        words: what to type after ``train.py``.
        on_line: called with each line that it prints, its end included.
        withheld: why its model is not published; "" if it is.
        is_attached: whether it shares standard error and the terminal's signals. If not, its messages are lines too,
            and an exception here, such as Ctrl-C, stops it in order.

    Returns:
        the exit code, and each ``result.json`` that it wrote, in the order in which runs began to end.
    """
    command = [sys.executable, str(paths.PROJECT / "train.py"), *words]
    errors = None if is_attached else subprocess.STDOUT
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as listing:
        environment = os.environ | {RESULT_LIST: listing.name, UNPUBLISHED: withheld}
        watchdog = Watchdog(f"{RESULT_LIST}={listing.name}", grace_seconds=SHUTDOWN_SECONDS, is_final=False)
        with (
            watchdog,
            subprocess.Popen(
                command,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=not is_attached,
            ) as process,
        ):
            try:
                for line in process.stdout or ():
                    on_line(line)
            except BaseException:
                if not is_attached:
                    process.terminate()
                raise
        results = listing.read().splitlines()
    return process.returncode, [Path(line) for line in dict.fromkeys(results)]

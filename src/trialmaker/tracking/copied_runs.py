"""Runs that another instance has trained, and whose directories are now in this one's output: brought to its MLflow."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Collection, Sequence
from pathlib import Path

from trialmaker.errors import UserError
from trialmaker.platform import paths, scratch
from trialmaker.platform.child_environment import child_environment
from trialmaker.tracking.delivery_lock import WAIT_SECONDS
from trialmaker.tracking.delivery_state import DeliveryState
from trialmaker.tracking.output_journals import RECENT_SECONDS
from trialmaker.tracking.places import JOURNAL_FILE, STATE_FILE
from trialmaker.tracking.recovery import deliver, undelivered_runs
from trialmaker.tracking.settings import RUN_VARIABLES

LONGEST_SECONDS = 600.0  # of their delivery; then python -m trialmaker sync goes on with it


def forget_delivery(directory: Path) -> None:
    """Have a run be delivered from its beginning that another instance has delivered to its own output's store.

    Its journal is older than any that a process of another machine may be writing to, since its run has ended.
    """
    path = directory / STATE_FILE
    state = DeliveryState.read(path)
    if not (state.store and state.run_id):  # it is looked for first: an earlier copy of it may have been delivered
        DeliveryState(state.store, is_creating=True).write(path)
    journal = directory / JOURNAL_FILE
    if journal.is_file():
        ended = time.time() - 2 * RECENT_SECONDS
        os.utime(journal, (ended, ended))


def deliver_in_process(output: Path, directories: Sequence[Path]) -> bool:
    """Bring the output's MLflow store copied runs, in a process of its own, since it imports MLflow.

    Args:
        output: the output directory.
        directories: the runs'; those that were recorded for a server are left to the instance that trained them.

    Returns:
        whether all are there.
    """
    request = {"output": str(output), "directories": [str(one) for one in directories]}
    command = [sys.executable, "-P", "-m", "trialmaker.tracking.copied_runs"]
    inherited = child_environment(without=RUN_VARIABLES)
    path = os.pathsep.join(filter(None, [str(paths.SOURCE), inherited.get("PYTHONPATH")]))
    environment = inherited | {"PYTHONPATH": path}
    process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True, env=environment)
    try:
        process.communicate(json.dumps(request).encode(), timeout=LONGEST_SECONDS)
    except BaseException as error:  # a signal's, too
        process.kill()
        process.wait()
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
    return process.returncode == 0


def run_id_of(directory: Path) -> str:
    """Return MLflow's id of a run that was delivered; "" where it was not."""
    return DeliveryState.read(directory / STATE_FILE).run_id


def main() -> int:
    """Deliver the runs that standard input names; return 0 if all are."""
    request = json.loads(sys.stdin.buffer.readline())
    with scratch.process_folder():
        return min(deliver_all(Path(request["output"]), set(request["directories"])), 1)


def deliver_all(output: Path, directories: Collection[str]) -> int:
    """Deliver runs of an output, and return of how many it was refused."""
    failures = 0
    for run in undelivered_runs(output):
        place = run.place(())
        if str(run.directory) in directories and place:
            try:
                while not deliver(run, place):  # another process is at it, and the parent limits the time
                    time.sleep(WAIT_SECONDS)
            except UserError as error:
                print(error, file=sys.stderr, flush=True)
                failures += 1
    return failures


if __name__ == "__main__":
    sys.exit(main())

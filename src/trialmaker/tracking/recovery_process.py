"""A process of its own that puts right the other runs of an output while, or after, a run is trained there."""

import signal
import subprocess
import sys
import threading
from functools import partial

from trialmaker.platform import scratch
from trialmaker.tracking.places import RunPlace
from trialmaker.tracking.recovery import recover, undelivered_runs

LONGEST_MINUTES = 10  # of the process, whose work the next one goes on with
DELAY_SECONDS = 20.0  # after the start of a training, which needs the machine for itself until then


class RecoveryProcess:
    """The process, started once, if there is something to put right: late in a training, or at its end.

    Nobody waits for it; what it does not come to, the next one does.

    Args:
        place: of a run; its output and store are those of the runs to put right.
    """

    def __init__(self, place: RunPlace) -> None:
        self._place = place
        self._is_started = False
        self._timer = threading.Timer(DELAY_SECONDS, self._start)
        self._timer.daemon = True
        self._timer.start()

    def start_now(self) -> None:
        """Start it now, unless it was."""
        self._timer.cancel()
        self._timer.join()  # it may be about to
        if not self._is_started:
            self._start()

    def _start(self) -> None:
        self._is_started = True
        if next(undelivered_runs(self._place.output), None) is None:
            return
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "trialmaker.tracking.recovery_process"],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        if process.stdin:
            process.stdin.write(self._place.to_line())  # which may have a password
            process.stdin.close()


def _end(*_: object) -> None:
    """End the process, with what it has begun undone; at once where that takes longer than a minute."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(60)
    law = f"ended after {LONGEST_MINUTES} minutes"
    sys.exit(f"earlier runs: their delivery {law}; the next training goes on with it, or python -m trialmaker sync")


def main() -> None:
    """Put right the runs of the output that standard input names, and of the server, if it names one."""
    signal.signal(signal.SIGALRM, _end)
    signal.setitimer(signal.ITIMER_REAL, LONGEST_MINUTES * 60)  # it may meet a server that never answers
    with scratch.process_folder():
        place = RunPlace.from_line(sys.stdin.buffer.readline())
        recover(place.output, [place.uri] if place.uri else [], partial(print, flush=True))


if __name__ == "__main__":
    main()

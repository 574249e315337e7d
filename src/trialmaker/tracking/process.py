"""The tracking process: delivers to MLflow the journals of runs, which standard input names, a ``RunPlace`` a line.

Replies on standard output, a JSON object a line, all but the last with the run's directory as ``run``: ``run_id`` once
the run exists, ``done`` once MLflow has its end, ``away`` with a reason and ``back`` for the store, ``refused`` with a
reason for a run that can never be recorded; ``bug``, a traceback, for anything else that fails.
Everything else that is printed goes to standard error, a log file.
"""

import json
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from trialmaker.errors import UserError
from trialmaker.platform import scratch
from trialmaker.platform.garbage_collection import paused_garbage_collection
from trialmaker.platform.redaction import without_password
from trialmaker.tracking import refusals
from trialmaker.tracking.backoff import Backoff
from trialmaker.tracking.delivery_lock import DeliveryBusy
from trialmaker.tracking.journal import last_attempt
from trialmaker.tracking.places import LOG_FILE, STATE_FILE, RunPlace
from trialmaker.tracking.recovery_process import RecoveryProcess
from trialmaker.tracking.settings import ENVIRONMENT, NO_RETRIES
from trialmaker.tracking.vanished import leave_failure

Inbox = queue.SimpleQueue[RunPlace | None]  # None: the training process is gone
Reply = Callable[[dict[str, Any]], None]


def main() -> None:
    """Serve runs, one after another, until the training process is gone."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # which a terminal sends to all of its processes
        signal.signal(number, signal.SIG_IGN)  # the end of standard input is what ends this process
    reply = _take_standard_output()
    os.environ.update(NO_RETRIES)
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        with scratch.process_folder():
            _serve(sys.stdin.buffer, reply)
    except Exception:
        reply({"bug": traceback.format_exc()})
        print(without_password(traceback.format_exc()), file=sys.stderr, flush=True)
        os._exit(1)  # the thread that reads holds standard input, over which Python's own exit would stumble
    sys.stderr.flush()
    os._exit(0)  # all is written; to take down MLflow's modules would take Python more than a second


def _serve(stream: BinaryIO, reply: Reply) -> None:
    """Deliver the runs that the stream names, in turn; one whose store is away lets others pass when it has ended."""
    inbox: Inbox = queue.SimpleQueue()
    gone = threading.Event()
    threading.Thread(target=_receive_all, args=(stream, inbox, gone), daemon=True).start()
    backoff = Backoff(gone)
    away: set[RunPlace] = set()
    recoveries: dict[Path, RecoveryProcess] = {}  # by output
    while place := inbox.get():
        if not place.journal.exists():  # the output was removed, perhaps while the run waited for its store
            _reply_of(place, reply, {"away": "its journal was removed"})
            continue
        _redirect_output(place.directory / LOG_FILE)
        recoveries[place.output] = recoveries.get(place.output) or RecoveryProcess(place)
        report = partial(_reply_of, place, reply)
        if not (place.directory / STATE_FILE).exists() and place not in away and not _check(place, report, away):
            continue
        with paused_garbage_collection("mlflow"):
            from trialmaker.tracking.delivery import Delivery, Live  # MLflow, which takes seconds
            from trialmaker.tracking.insistence import GaveWay, StoreAway, StoreRefusal

        live = Live(gone, backoff, lambda: not inbox.empty() and not gone.is_set())
        try:
            Delivery(place, report, live, is_away=place in away).follow()
            report({"done": True})
        except StoreRefusal as refusal:
            report({"refused": str(refusal)})
        except (StoreAway, DeliveryBusy) as reason:
            report({"away": str(reason)})
            if gone.is_set():
                return  # there is no more time for other runs either
        except GaveWay:
            away.add(place)
            inbox.put(place)
    for recovery in recoveries.values():
        recovery.start_now()


def _reply_of(place: RunPlace, reply: Reply, message: dict[str, Any]) -> None:
    reply({"run": str(place.directory), **message})


def _check(place: RunPlace, report: Reply, away: set[RunPlace]) -> bool:
    """Look whether the store's server can be reached; return False where it never will, and the run is a new one.

    A server that may come back, or of a run that goes on, is noted among those that are away.
    """
    try:
        refusals.check_reachable(place.store)
    except UserError as error:
        if not refusals.is_passing(error) and last_attempt(place.journal, 2) is None:
            report({"refused": refusals.explain(error)})
            return False
        away.add(place)
        report({"away": refusals.outage(error)})
    return True


def _receive_all(stream: BinaryIO, inbox: Inbox, gone: threading.Event) -> None:
    """Put what standard input names into the inbox; at its end, leave a word on runs whose process vanished."""
    places = []
    for line in stream:
        places.append(RunPlace.from_line(line))
        inbox.put(places[-1])
    for place in places:
        leave_failure(place)
    gone.set()
    inbox.put(None)


def _redirect_output(path: Path) -> None:
    """Append standard output and standard error to a file."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.dup2(file, 2)
    os.dup2(file, 1)
    os.close(file)


def _take_standard_output() -> Reply:
    """Keep standard output for replies, and let what libraries print go to standard error.

    Returns:
        A function that writes one reply.
    """
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def reply(message: dict[str, Any]) -> None:
        try:
            replies.write(json.dumps(message) + "\n")
            replies.flush()
        except BrokenPipeError:
            pass  # nobody reads it any more

    return reply


if __name__ == "__main__":
    main()

"""The tracking process: reads messages from standard input and writes them to MLflow.

Replies on standard output, a JSON object a line: ``{"run_id": …}`` once the run exists, ``{"done": true}`` once it has
ended, ``{"error": …}`` when MLflow refuses, ``{"bug": …}``, a traceback, for anything else that fails.
Everything else that is printed goes to standard error, a log file.
"""

import json
import os
import pickle
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from trialmaker.errors import UserError
from trialmaker.platform import result_files
from trialmaker.platform.redaction import without_password
from trialmaker.tracking import refusals
from trialmaker.tracking.messages import End, Message, Start, StudyDone
from trialmaker.tracking.settings import ENVIRONMENT

Inbox = queue.SimpleQueue[Message | None]  # None: the sender is gone
Reply = Callable[[dict[str, Any]], None]

VANISHED = End("KILLED", "the process vanished")  # the sender is gone, and has sent no end
STORE_PACKAGES = {"mlflow", "sqlalchemy", "sqlite3", "requests", "urllib3"}  # their errors are the store's, not bugs


def main() -> None:
    """Serve runs, one after another, until the sender is gone."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # which a terminal sends to all of its processes
        signal.signal(number, signal.SIG_IGN)  # the end of the messages is what ends this process
    reply = _take_standard_output()
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        _serve(sys.stdin.buffer, reply)
    except Exception as error:
        if isinstance(error, OSError | UserError) or type(error).__module__.partition(".")[0] in STORE_PACKAGES:
            reply({"error": refusals.explain(error)})
        else:
            reply({"bug": traceback.format_exc()})
        print(without_password(traceback.format_exc()), file=sys.stderr, flush=True)
        os._exit(1)  # the thread that reads holds standard input, over which Python's own exit would stumble
    sys.stderr.flush()
    os._exit(0)  # all is written; to take down MLflow's modules would take Python more than a second


def _serve(stream: BinaryIO, reply: Reply) -> None:
    inbox: Inbox = queue.SimpleQueue()
    threading.Thread(target=_receive_all, args=(stream, inbox), daemon=True).start()
    while isinstance(first := inbox.get(), Start | StudyDone):
        start = first if isinstance(first, Start) else first.start
        _redirect_output(start.run_directory / "tracking.log")
        if isinstance(first, StudyDone):
            _record_study(first, reply)
        else:
            _record_run(first, inbox, reply)
        reply({"done": True})


def _record_study(done: StudyDone, reply: Reply) -> None:
    from trialmaker.tracking import study  # imports MLflow, whose output belongs in the log

    reply({"run_id": study.record(done)})


def _record_run(start: Start, inbox: Inbox, reply: Reply) -> None:
    refusals.check_reachable(start.store)
    from trialmaker.tracking.run import Run

    run = Run(start)
    reply({"run_id": run.run_id})  # for which a training waits
    threading.Thread(target=_import_plotting, args=(start,), daemon=True).start()
    for batch in _batches(inbox):
        run.record(batch)
        if batch[-1] is VANISHED and not start.study:
            _leave_failure(start.output)


def _import_plotting(start: Start) -> None:
    """Import, while the training goes on, what draws the figures at its end, or at the end of its study."""
    if start.trial is None:
        from trialmaker.tracking.figures import artifacts  # noqa: F401
    else:
        from trialmaker.tracking import study

        study.import_plotting(start.trial)


def _leave_failure(output: Path) -> None:
    """Write ``failure`` for a training process that no longer can: it was killed, or has crashed."""
    if not any((output / name).exists() for name in ("success", "failure")):
        cause = "the process vanished: it was killed, perhaps for want of memory, or has crashed"
        result_files.write_failure(output, f"{cause}; a smaller training.batch_size or model needs less memory")


def _redirect_output(path: Path) -> None:
    """Append standard output and standard error to a file."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.dup2(file, 2)
    os.dup2(file, 1)
    os.close(file)


def _batches(inbox: Inbox) -> Iterator[list[Message]]:
    """Yield the messages that have come in since the last batch, until an ``End``, which is the last one's last."""
    batch: list[Message] = []
    while not batch or not isinstance(batch[-1], End):
        batch = [_next_message(inbox)]
        while not isinstance(batch[-1], End) and not inbox.empty():  # what follows an End is of the next run
            batch.append(_next_message(inbox))
        yield batch


def _next_message(inbox: Inbox) -> Message:
    """Return the next message of a run; ``End`` with KILLED when the sender is gone."""
    message = inbox.get()
    if message is None:
        inbox.put(None)  # for _serve, which asks after this run
    return message or VANISHED


def _receive_all(stream: BinaryIO, inbox: Inbox) -> None:
    try:
        while True:
            inbox.put(pickle.load(stream))
    except (EOFError, pickle.UnpicklingError):
        inbox.put(None)


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

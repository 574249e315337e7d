"""The tracking process: reads messages from standard input, writes them to MLflow.

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

from trialmaker.platform.redaction import without_password
from trialmaker.tracking.messages import End, Message, Start, StudyDone
from trialmaker.tracking.settings import ENVIRONMENT

STORE_PACKAGES = {
    "mlflow",
    "sqlalchemy",
    "sqlite3",
    "requests",
    "urllib3",
}  # whose errors are of the store, not of ours


def main() -> None:
    """Serve runs, one after another, until the sender is gone."""
    for ignored in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)  # the end of the messages is what ends this process
    reply = _keep_standard_output()
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        _serve(sys.stdin.buffer, reply)
    except Exception as error:
        if isinstance(error, OSError) or type(error).__module__.partition(".")[0] in STORE_PACKAGES:
            reply({"error": f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"})
        else:
            reply({"bug": traceback.format_exc()})
        print(without_password(traceback.format_exc()), file=sys.stderr, flush=True)
        os._exit(1)  # the thread that reads holds standard input, over which Python's own exit would stumble
    sys.stderr.flush()
    os._exit(0)  # all is written; to take down MLflow's modules would take Python more than a second


def _serve(stream: BinaryIO, reply: Callable[[dict[str, Any]], None]) -> None:
    inbox: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
    threading.Thread(target=_read_all, args=(stream, inbox), daemon=True).start()
    while isinstance(first := inbox.get(), Start | StudyDone):
        start = first if isinstance(first, Start) else first.start
        _errors_to(start.run_directory / "tracking.log")
        from trialmaker.tracking import study
        from trialmaker.tracking.run import Run

        if isinstance(first, StudyDone):
            reply({"run_id": study.record(first)})
            reply({"done": True})
            continue
        run = Run(start)
        reply({"run_id": run.run_id})
        if start.study:
            threading.Thread(target=study.prepare_pictures, daemon=True).start()
        for batch in _batches(inbox):
            run.record(batch)
        reply({"done": True})


def _errors_to(path: Path) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.dup2(file, 2)
    os.dup2(file, 1)
    os.close(file)


def _batches(inbox: "queue.SimpleQueue[Message | None]") -> Iterator[list[Message]]:
    """What has come in since the last batch; ends after an ``End``, which is KILLED when the sender is gone."""
    batch: list[Message] = []
    while not batch or not isinstance(batch[-1], End):
        batch = [_next(inbox)]
        while not isinstance(batch[-1], End) and not inbox.empty():  # what follows an End is of the next run
            batch.append(_next(inbox))
        yield batch


def _next(inbox: "queue.SimpleQueue[Message | None]") -> Message:
    message = inbox.get()
    if message is None:
        inbox.put(None)  # for the one who asks after this run
    return message or End("KILLED", "the process vanished")


def _read_all(stream: BinaryIO, inbox: "queue.SimpleQueue[Message | None]") -> None:
    try:
        while True:
            inbox.put(pickle.load(stream))
    except (EOFError, pickle.UnpicklingError):
        inbox.put(None)


def _keep_standard_output() -> Callable[[dict[str, Any]], None]:
    """Keep standard output for replies; what libraries print goes to standard error."""
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def reply(message: dict[str, Any]) -> None:
        try:
            replies.write(json.dumps(message) + "\n")
            replies.flush()
        except BrokenPipeError:
            pass  # nobody is left to be told

    return reply


if __name__ == "__main__":
    main()

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
from typing import Any, BinaryIO

from trialmaker.tracking.messages import End, Message, Start

# Before MLflow is imported, which reads them. A store that cannot be reached is an error in seconds, not in minutes.
SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_UV_AUTO_DETECT": "false",
    "GIT_PYTHON_REFRESH": "quiet",
    "MPLBACKEND": "agg",
}
STORES = {"mlflow", "sqlalchemy", "sqlite3", "requests", "urllib3"}  # whose errors are of the store, not of ours


def main() -> None:
    """Serve one run, then exit."""
    for ignored in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)  # the end of the messages is what ends this process
    reply = _keep_standard_output()
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        _serve(sys.stdin.buffer, reply)
    except Exception as error:
        if isinstance(error, OSError) or type(error).__module__.partition(".")[0] in STORES:
            reply({"error": f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"})
        else:
            reply({"bug": traceback.format_exc()})
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)  # the thread that reads holds standard input, over which Python's own exit would stumble


def _serve(stream: BinaryIO, reply: Callable[[dict[str, Any]], None]) -> None:
    inbox: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
    threading.Thread(target=_read_all, args=(stream, inbox), daemon=True).start()
    start = inbox.get()
    if not isinstance(start, Start):
        return
    from trialmaker.tracking.run import Run

    run = Run(start)
    reply({"run_id": run.run_id})
    for batch in _batches(inbox):
        run.record(batch)
    reply({"done": True})


def _batches(inbox: "queue.SimpleQueue[Message | None]") -> Iterator[list[Message]]:
    """What has come in since the last batch; ends after an ``End``, which is KILLED when the sender is gone."""
    while True:
        batch = [inbox.get()]
        while not inbox.empty():
            batch.append(inbox.get())
        messages = [message if message is not None else End("KILLED", "the process vanished") for message in batch]
        ends = [number for number, message in enumerate(messages) if isinstance(message, End)]
        yield messages[: ends[0] + 1] if ends else messages
        if ends:
            return


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

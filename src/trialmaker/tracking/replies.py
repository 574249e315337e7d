"""The replies of the tracking process, read in the order of its runs."""

import json
import threading
from collections import deque
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import IO, Any

from trialmaker.errors import UserError
from trialmaker.platform.redaction import without_password


class RunState(IntEnum):
    """The reply that is the next one of a run, in the order of time."""

    RUN_ID_DUE = 0
    END_DUE = 1
    ENDED = 2


class Replies:
    """The replies of one tracking process: for each run its id, then its end, in the order in which runs began.

    A run may leave its replies unread; they are read when a later run waits for its own. Threads may wait at once.

    Args:
        stream: the process' standard output, a JSON object a line.
        on_failure: called once, when a reply says that the process has failed, before that is raised.
    """

    def __init__(self, stream: IO[bytes], on_failure: Callable[[], None]) -> None:
        self._stream = stream
        self._on_failure = on_failure
        self._runs: deque[RunReplies] = deque()  # whose replies are due, the oldest first
        self._lock = threading.Lock()
        self._failure: Exception | None = None

    def begin_run(self, store: str, log: Path) -> "RunReplies":
        """Expect the replies of one more run.

        Args:
            store: the tracking URI without its password, for error messages.
            log: the tracking process' log, for error messages.
        """
        run = RunReplies(self, store, log)
        self._runs.append(run)
        return run

    def wait_for(self, run: "RunReplies", state: RunState) -> None:
        """Read replies, those of earlier runs first, until the run has reached the state.

        Raises:
            UserError: the store cannot be used, or the process has died; raised again by every later call that would
                have to read.
            RuntimeError: the process has failed by a bug; the same.
        """
        with self._lock:
            while run.state < state:
                self._read_next(run)

    def wait_for_earlier_runs(self, run: "RunReplies") -> None:
        """Read the replies that earlier runs have left unread, and none of the run's own.

        Raises:
            UserError, RuntimeError: as ``wait_for``.
        """
        with self._lock:
            while run in self._runs and self._runs[0] is not run:
                self._read_next(run)

    def _read_next(self, reader: "RunReplies") -> None:
        if self._failure:
            raise self._failure
        line = self._stream.readline()
        reply = json.loads(line) if line.strip() else {"error": f"it ended without a word; see {reader.log}"}
        self._failure = _failure(reply, reader.store)
        if self._failure:
            self._on_failure()
            raise self._failure
        run = self._runs[0]
        run.accept(reply)
        if run.state is RunState.ENDED:
            self._runs.popleft()


class RunReplies:
    """The replies of one run. Made by ``Replies.begin_run``.

    Attributes:
        state: which reply is due.
        run_id: MLflow's id of the run; "" while it is due.
    """

    def __init__(self, replies: Replies, store: str, log: Path) -> None:
        self._replies = replies
        self.store = store
        self.log = log
        self.state = RunState.RUN_ID_DUE
        self.run_id = ""

    def wait_for_run_id(self) -> str:
        """Return MLflow's id of the run, when it is there. Raises as ``Replies.wait_for`` does."""
        self._replies.wait_for(self, RunState.END_DUE)
        return self.run_id

    def wait_for_end(self) -> None:
        """Wait until MLflow has all of the run. Raises as ``Replies.wait_for`` does."""
        self._replies.wait_for(self, RunState.ENDED)

    def wait_for_earlier_runs(self) -> None:
        """Wait until MLflow has all of the runs before this one. Raises as ``Replies.wait_for`` does."""
        self._replies.wait_for_earlier_runs(self)

    def accept(self, reply: dict[str, Any]) -> None:
        """Take the reply that is due."""
        if self.state is RunState.RUN_ID_DUE:
            self.run_id = str(reply["run_id"])
            self.state = RunState.END_DUE
        else:
            self.state = RunState.ENDED


def _failure(reply: dict[str, Any], store: str) -> Exception | None:
    if "bug" in reply:
        return RuntimeError(without_password(f"the tracking process failed: {reply['bug']}"))
    if "error" in reply:
        return UserError(f"MLflow tracking at {store} failed: {without_password(reply['error'])}")
    return None

"""How far MLflow has the runs of this process, as the tracking process reports it."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any

from trialmaker.errors import UserError
from trialmaker.platform.redaction import without_password
from trialmaker.tracking.places import RunPlace


class RunProgress:
    """How far MLflow has a run. Made by ``Progress.begin_run``.

    Attributes:
        place: the run's.
        run_id: MLflow's id of the run; "" while it is not known.
        is_done: whether MLflow has the run's end.
        refusal: why the run can never be recorded; "" while that is not so.
        away: why MLflow does not have more of it now; "" while its store answers.
        is_given_up: whether nobody waits for it any more.
    """

    def __init__(self, place: RunPlace, run_id: str) -> None:
        self.place, self.run_id = place, run_id
        self.refusal = self.away = ""
        self.is_done = self.is_given_up = False

    @property
    def store(self) -> str:
        """Return the tracking URI, without its password."""
        return without_password(self.place.store)

    def accept(self, reply: dict[str, Any]) -> None:
        """Take a reply of the tracking process."""
        self.run_id = str(reply.get("run_id", self.run_id))
        self.is_done = self.is_done or "done" in reply
        self.refusal = str(reply.get("refused", self.refusal))
        self.away = "" if {"back", "done", "run_id"} & reply.keys() else str(reply.get("away", self.away))

    @property
    def is_settled(self) -> bool:
        """Return whether nothing more will be reported."""
        return self.is_done or self.is_given_up or bool(self.refusal)

    @property
    def error(self) -> UserError | None:
        """Return why the store cannot be used; None while that is not so."""
        if not self.refusal:
            return None
        return UserError(f"MLflow tracking at {self.store} failed: {without_password(self.refusal)}")


class Progress:
    """How far MLflow has the runs of this process, in the order in which they began. Threads may wait at once."""

    def __init__(self) -> None:
        self._runs: list[RunProgress] = []  # that are neither done nor refused
        self._changed = threading.Condition()
        self._bug = ""

    def begin_run(self, place: RunPlace, run_id: str) -> RunProgress:
        """Expect the replies of one more run, whose id may be known."""
        with self._changed:
            self._runs.append(RunProgress(place, run_id))
            return self._runs[-1]

    def undelivered(self) -> list[RunProgress]:
        """Return the runs that MLflow does not have whole, the oldest first."""
        with self._changed:
            return list(self._runs)

    def accept(self, line: bytes) -> dict[str, Any]:
        """Take a line of the tracking process, and return it."""
        reply: dict[str, Any] = json.loads(line)
        with self._changed:
            self._bug = str(reply.get("bug", self._bug))
            for run in self._runs:
                if str(run.place.directory) == reply.get("run"):
                    run.accept(reply)
            self._runs = [run for run in self._runs if not run.is_done and not run.refusal]
            self._changed.notify_all()
        return reply

    def end_all(self, reason: str) -> None:
        """Note that no tracking process will report any more, and why."""
        with self._changed:
            for run in self._runs:
                run.away, run.is_given_up = reason, True
            self._changed.notify_all()

    def wait(self, is_over: Callable[[], object], seconds: Callable[[], float]) -> None:
        """Wait until a condition holds, which is asked again whenever something is reported.

        Args:
            is_over: the condition.
            seconds: returns how long to wait at most, from the begin, as things stand.

        Raises:
            RuntimeError: the tracking process has failed by a bug.
        """
        begin = time.monotonic()
        with self._changed:
            while not is_over() and not self._bug and (left := begin + seconds() - time.monotonic()) > 0:
                self._changed.wait(min(left, threading.TIMEOUT_MAX))
        if self._bug:
            raise RuntimeError(f"the tracking process failed: {without_password(self._bug)}")

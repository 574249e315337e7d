"""Attempts at a store until it takes what it is given, with growing pauses, as long as there is time."""

import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trialmaker.platform.redaction import without_password
from trialmaker.tracking import refusals
from trialmaker.tracking.backoff import Backoff

Report = Callable[[dict[str, Any]], None]
LAST_SECONDS = 60.0  # for what is left when the training process is gone


class StoreRefusal(Exception):
    """A store that refuses a run at its start, for a reason that does not pass; the message says why."""


class StoreAway(Exception):
    """A store that could not be reached for as long as there was time; the message says why."""


class GaveWay(Exception):
    """A run that is delivered later, since its store is away and other runs wait."""


class Insistence:
    """Attempts at a store until it takes what it is given.

    Args:
        report: told ``away``, with a reason, when the store refuses, and ``back`` when it no longer does.
        gone: set when there is no training process any more; what is left gets ``LAST_SECONDS`` then.
        backoff: the pauses between attempts; None where a store that refuses is not tried again.
        gives_way: returns whether other runs should be delivered first, while the store is away.
        journal: what is to be delivered; once it was removed, nobody waits for a store.
        is_away: whether ``away`` has been reported.
    """

    def __init__(
        self,
        report: Report,
        gone: threading.Event,
        backoff: Backoff | None,
        gives_way: Callable[[], bool],
        journal: Path,
        *,
        is_away: bool,
    ) -> None:
        self.report, self.gone, self.backoff, self.gives_way = report, gone, backoff, gives_way
        self.journal, self.is_away = journal, is_away
        self._last_moment: float | None = None  # time.monotonic()

    def insist(self, action: Callable[[], object], *, may_refuse: bool = False) -> bool:
        """Call the action until it raises no error of the store; return whether the store was away meanwhile.

        Args:
            action: may be called again after it has failed anywhere.
            may_refuse: whether a reason that does not pass ends this at once.

        Raises:
            StoreRefusal: for such a reason.
            StoreAway: there is no more time.
            GaveWay: the store is away, and other runs should come first.
        """
        was_away = False
        while True:
            try:
                action()
            except Exception as error:
                if not refusals.is_of_store(error):
                    raise
                if may_refuse and not refusals.is_passing(error):
                    raise StoreRefusal(refusals.explain(error)) from error
                was_away, may_refuse = True, False
                self._note_away(error)
                self._wait(refusals.outage(error))
            else:
                self._note_back()
                return was_away

    def _wait(self, reason: str) -> None:
        if self.gone.is_set() and self._last_moment is None:
            self._last_moment = time.monotonic() + LAST_SECONDS
        is_late = self._last_moment is not None and time.monotonic() > self._last_moment
        if is_late or self.backoff is None or not self.journal.exists():
            raise StoreAway(reason)
        self.backoff.wait()
        if self.gives_way():
            raise GaveWay

    def _note_away(self, error: Exception) -> None:
        if not self.is_away:
            print(without_password("".join(traceback.format_exception(error))), flush=True)
            self.is_away = True
            self.report({"away": refusals.outage(error)})

    def _note_back(self) -> None:
        if self.is_away:
            self.is_away = False
            self.report({"back": True})
            if self.backoff:
                self.backoff.reset()

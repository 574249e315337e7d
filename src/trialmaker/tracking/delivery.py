"""The delivery of one run's journal to MLflow: each record once, however often this is interrupted and begun again."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property

from trialmaker.tracking import refusals
from trialmaker.tracking.backoff import Backoff
from trialmaker.tracking.delivery_lock import delivery_lock
from trialmaker.tracking.delivery_state import DeliveryState, store_name
from trialmaker.tracking.insistence import Insistence, Report
from trialmaker.tracking.journal import (
    END_TYPES,
    has_ended,
    head,
    is_held,
    is_released,
    last_attempt,
    now,
    read_records,
)
from trialmaker.tracking.journal_messages import Record, RecordError, from_record, own_storage
from trialmaker.tracking.journal_news import News
from trialmaker.tracking.messages import End, Message, StudyDone
from trialmaker.tracking.places import STATE_FILE, RunPlace
from trialmaker.tracking.recorder import Recorder
from trialmaker.tracking.run import Timed
from trialmaker.tracking.settings import STORE_FILE
from trialmaker.tracking.store_watch import StoreReplaced, StoreWatch

VANISHED = End("KILLED", "the process vanished")  # the training process is gone, and has recorded no end
SHORTEST_POLL_SECONDS, LONGEST_POLL_SECONDS = 0.002, 0.02  # between two looks at the journal
SILENCE_SECONDS = 1.0  # without news, after which it is asked whether anybody appends to the journal
STATE_SECONDS = 2.0  # between two notes of how far metrics have come; what comes twice counts once


@dataclass(frozen=True)
class Live:
    """What the deliveries of a tracking process share.

    Args:
        gone: set when the training process is gone, so that nobody appends to a journal any more.
        backoff: the pauses between attempts at a store.
        others_wait: returns whether other runs wait for their delivery.
    """

    gone: threading.Event
    backoff: Backoff
    others_wait: Callable[[], bool]


class Delivery:
    """The delivery of a run's journal, begun or gone on with.

    Args:
        place: where the journal lies, and the store.
        report: told ``run_id``; ``away`` with a reason, and ``back``; ``notice``, a line for the person.
        live: what the delivery shares with those of other runs of the process, while a training goes on; None where no
            training does: then nothing is waited for, nor a store that refuses tried again.
        is_away: whether ``away`` has been reported.
    """

    def __init__(
        self, place: RunPlace, report: Report = lambda _: None, live: Live | None = None, *, is_away: bool = False
    ) -> None:
        self.place, self.report, self.is_live = place, report, live is not None
        self.gone = live.gone if live else threading.Event()
        backoff, gives_way = (live.backoff, self._gives_way(live)) if live else (None, lambda: False)
        self.insistence = Insistence(report, self.gone, backoff, gives_way, place.journal, is_away=is_away)
        self.state_path = place.directory / STATE_FILE
        self.is_first = not self.state_path.exists()  # whether no process has delivered anything
        self.state = DeliveryState.read(self.state_path)
        self.saved_at = 0.0
        self.news = News(place.journal)
        self.recorder: Recorder | None = None
        self.store_watch = StoreWatch(place, report)

    def _gives_way(self, live: Live) -> Callable[[], bool]:
        """Return what tells whether another run should come first: this one has ended, and others wait."""
        return lambda: live.others_wait() and (not self.place.journal.exists() or has_ended(self.place.journal))

    @cached_property
    def is_resumed(self) -> bool:
        """Return whether the run has had an earlier attempt."""
        return last_attempt(self.place.journal, 2) is not None

    @property
    def may_refuse(self) -> bool:
        """Return whether a store that refuses now ends the run: a new one, of which nothing would be lost."""
        return self.is_first and self.is_live and not self.is_resumed

    @property
    def is_complete(self) -> bool:
        """Return whether MLflow has all of the journal, with an end."""
        return self.state.is_ended and next(read_records(self.place.journal, self.state.offset), None) is None

    def follow(self) -> None:
        """Deliver the journal until its run ends; if its process vanishes, end the run as KILLED.

        Raises:
            StoreRefusal, StoreAway: the run cannot be delivered.
            GaveWay: its store is away, and other runs should come first.
            DeliveryBusy: another process delivers it; a training that goes on waits for that.
        """
        with delivery_lock(self.place, self.gone):
            self._begin()
            while self.recorder:
                try:
                    self._follow_journal()
                    return
                except StoreReplaced:
                    self._begin_anew(self.recorder)

    def _follow_journal(self) -> None:
        pause = idle_seconds = SHORTEST_POLL_SECONDS
        while True:
            # asked before the look, so that nothing comes between
            is_last = self.gone.is_set() or (idle_seconds > SILENCE_SECONDS and not is_held(self.place.journal))
            if self._deliver_news(is_last=is_last):
                pause = idle_seconds = SHORTEST_POLL_SECONDS
            elif self.state.is_ended:
                return
            elif is_last:
                self._vanish()
                return
            else:
                time.sleep(pause)
                idle_seconds = 0.0 if idle_seconds > SILENCE_SECONDS else idle_seconds + pause
                pause = min(2 * pause, LONGEST_POLL_SECONDS)

    def deliver(self) -> None:
        """Deliver what the journal of a process that has ended holds; a run without an end becomes KILLED.

        Raises:
            StoreAway: the store refuses.
            DeliveryBusy: another process delivers it.
        """
        self.gone.set()
        self.follow()

    def _begin(self) -> None:
        """Read how far the delivery is, which is decided under the lock, and the run's start."""
        if not self.place.uri:
            self.insistence.insist(self._clear_place, may_refuse=self.may_refuse)
        self.state = DeliveryState.read(self.state_path)
        store = store_name(self.place)
        if self.state.store != store:  # what was delivered is in another one, where there was any
            self.state = DeliveryState(store, is_creating=self.state.is_creating or bool(self.state.run_id))
        if not self.place.uri and not (self.place.output / STORE_FILE).exists():
            self.state = DeliveryState()  # whatever store there was is gone
        if self.is_first and self.is_resumed:
            self.state.is_creating = True  # an earlier attempt's delivery left no note, or it was lost
        start = head(self.place.journal)
        if start is None:
            return
        here = replace(start, uri=self.place.uri, output=self.place.output, project=self.place.project or start.project)
        self.recorder = Recorder(self.place, here, self.state, self.report, is_live=self.is_live)
        if self.state.run_id:
            self.report({"run_id": self.state.run_id})

    def _clear_place(self) -> None:
        if self.store_watch.clear_place():
            self.store_watch.begin_anew()

    def _begin_anew(self, recorder: Recorder) -> None:
        """Have a new store get all of the journal."""
        recorder.abandon()
        self.store_watch.begin_anew()
        self.insistence.insist(lambda: DeliveryState().write(self.state_path))
        self._begin()

    def _deliver_news(self, *, is_last: bool = False) -> bool:
        """Deliver what was appended since the last time, up to an end; return whether there was any."""
        news = self.news.read(self.state.offset, is_last=is_last)
        if not news:
            return False
        if self.store_watch.is_replaced(is_open=self.recorder is not None and self.recorder.run is not None):
            raise StoreReplaced
        if batch := [timed for record, _ in news for timed in self._timed(record)]:
            self._record(batch)
        self.state.offset, self.state.is_ended = news[-1].end, news[-1].record["type"] in END_TYPES
        has_more_than_metrics = any(record["type"] != "metrics" for record, _ in news)
        if has_more_than_metrics or time.monotonic() - self.saved_at > STATE_SECONDS:
            self._save()
        return True

    def _timed(self, record: Record) -> Iterator[Timed]:
        """Yield the message of a record; nothing for a record that says nothing to MLflow, or that is damaged."""
        if record["type"] == "attempt":
            if self.state.is_ended:
                yield Timed(record["time"], None)
            return
        try:
            start = self.recorder.start if self.recorder else None
            message: Message = from_record(record, self.place.directory, self.place.output, start)
            if isinstance(message, StudyDone):
                storage = self.place.storage or own_storage(message.storage, self.place.output)
                message = replace(message, storage=storage)
        except RecordError as error:
            print(f"passed over: {error}", flush=True)
            return
        yield Timed(record["time"], message)

    def _record(self, batch: list[Timed]) -> None:
        recorder = self.recorder
        if recorder is None:
            return
        if self.insistence.insist(lambda: self._attempt(recorder, batch), may_refuse=self.may_refuse):
            recorder.resume_sampling()
        self.is_first = False

    def _attempt(self, recorder: Recorder, batch: list[Timed]) -> None:
        try:
            recorder.record(batch)
            self.store_watch.note_use()
        except Exception as error:
            recorder.note_failure()
            if self.store_watch.is_lost(error, is_open=recorder.run is not None):
                raise StoreReplaced from error
            if self.is_first and refusals.is_passing(error):
                with suppress(OSError):
                    self.state.write(self.state_path)  # by which whoever goes on with it knows that it may be away
            raise

    def _save(self) -> None:
        self.insistence.insist(lambda: self.state.write(self.state_path))
        self.saved_at = time.monotonic()

    def _vanish(self) -> None:
        """End the run of a process that vanished, unless another one has taken it up."""
        if self.recorder is None or self.state.is_ended or not is_released(self.place.journal):
            return
        last = [position.record["time"] for position in read_records(self.place.journal)][-1]
        self._record([Timed(now() if self.is_live else last, VANISHED)])
        self.state.is_ended = True
        self._save()

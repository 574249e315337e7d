"""Another instance's connection to the first one: its signs of life, and what it hears of the meeting."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import grpc

from trialmaker.errors import UserError
from trialmaker.platform.meeting import messages
from trialmaker.platform.meeting.ends import MeetingOver
from trialmaker.platform.meeting.messages import decode, encode
from trialmaker.platform.meeting.room import BEAT_SECONDS, GONE_SECONDS

ABSENCE_SECONDS = 300.0  # of the first instance of an open meeting, which may be started again meanwhile
RETRY_SECONDS = 0.3  # between two tries to reach the first instance
LEAVE_SECONDS = 3.0  # for the first instance to take note of the end
CHANNEL_OPTIONS = [
    ("grpc.enable_http_proxy", 0),
    ("grpc.keepalive_time_ms", 20_000),  # so that a call ends whose network is gone
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.max_receive_message_length", messages.MAX_MESSAGE_BYTES),
    ("grpc.use_local_subchannel_pool", 1),
]


class Attendance:
    """An instance's presence at a meeting, on threads of its own, from ``start`` to ``leave``.

    Args:
        channel: to the first instance.
        index: this instance's.
        chief: the first one's name.
        purpose: what all must have in common.
        is_open: whether the first instance may be away for ``ABSENCE_SECONDS``.

    Attributes:
        over: why the instances do nothing more together; None as long as they do.
        has_begun: whether all instances have come.
        has_chief_left: whether the first one has come to its end, in good order; its exit code is ``chief_code``.
        heard: ``time.monotonic()`` of its last sign of life; None where it was never there.
        on_lost: called, on a thread, with a phrase, when the meeting is over before its time.
    """

    def __init__(self, channel: Any, index: int, chief: str, purpose: Mapping[str, str], *, is_open: bool) -> None:
        self.channel, self.index, self.chief, self.purpose, self.is_open = channel, index, chief, purpose, is_open
        self.call_attend = channel.stream_stream(f"/{messages.SERVICE}/{messages.ATTEND}")
        self.changed = threading.Condition()
        self.over: MeetingOver | None = None
        self.has_begun = self.has_chief_left = False
        self.chief_code = 0
        self.heard: float | None = None
        self.silence_seconds = ABSENCE_SECONDS if is_open else GONE_SECONDS
        self.on_lost: Callable[[str], None] = lambda _: None
        self.farewell: bytes | None = None
        self.is_leaving = threading.Event()
        self.has_left = threading.Event()
        self.call: Any = None

    def start(self) -> None:
        """Begin to attend."""
        for target in (self._attend, self._watch):
            threading.Thread(target=target, daemon=True).start()

    def leave(self, reason: str, code: int) -> None:
        """Have the first instance know that this one ends, and why, if it can be reached."""
        self.farewell = encode(leave=reason, code=code)
        self.is_leaving.set()
        if self.heard is not None and not self.has_left.wait(LEAVE_SECONDS) and self.call:
            self.call.cancel()

    def _attend(self) -> None:
        # the first one of an open meeting may be started again
        while not (self.is_leaving.is_set() or self.over or (self.has_chief_left and not self.is_open)):
            try:
                self.call = self.call_attend(self._signs_of_life())
                for answer in self.call:
                    self._note(decode(answer))
            except (grpc.RpcError, ValueError):
                self._note_break()
            self.is_leaving.wait(RETRY_SECONDS)
        self.has_left.set()

    def _signs_of_life(self) -> Iterator[bytes]:
        yield encode(index=self.index, purpose=dict(self.purpose))
        while not self.is_leaving.wait(BEAT_SECONDS) and not self.over:
            yield encode()
        yield self.farewell or encode()

    def _note(self, state: Mapping[str, Any]) -> None:
        with self.changed:
            self.heard = time.monotonic()
            self.has_begun = self.has_begun or state.get("has_begun") is True
            self.has_chief_left = state.get("has_chief_left") is True
            self.chief_code = messages.number(state, "chief_code", 0)
            self.changed.notify_all()
        if text := messages.text(state, "over"):
            self._end(MeetingOver(text, messages.number(state, "code", UserError.exit_code)))

    def _note_break(self) -> None:
        if self.has_begun and not self.is_open and not self.has_chief_left:
            self._end(MeetingOver(f"{self.chief} is gone: its connection has ended"))

    def _watch(self) -> None:
        """Notice that the first instance has fallen silent."""
        while not self.is_leaving.wait(BEAT_SECONDS) and not self.over:
            if self.has_begun and not self.has_chief_left and self.heard is not None:
                silence = time.monotonic() - self.heard
                if silence > self.silence_seconds:
                    self._end(MeetingOver(f"{self.chief} gives no sign of life for {self.silence_seconds:g} s"))

    def _end(self, over: MeetingOver) -> None:
        with self.changed:
            if self.over or self.is_leaving.is_set():
                return
            self.over = over
            self.changed.notify_all()
        self.on_lost(str(over))

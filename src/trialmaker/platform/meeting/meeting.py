"""The meeting of a job's instances, as each of them sees it."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trialmaker.errors import one_line
from trialmaker.platform.meeting import grpc_environment, messages
from trialmaker.platform.meeting.ends import MeetingOver, not_come
from trialmaker.platform.meeting.messages import decode, encode
from trialmaker.platform.meeting.room import BEAT_SECONDS, CHIEF, Room

if TYPE_CHECKING:
    from trialmaker.platform.instances import Instances
    from trialmaker.platform.meeting.attendance import Attendance
    from trialmaker.platform.meeting.server import MeetingServer

SUSPECT_SECONDS = 10.0  # of silence, which is enough once something else says that an instance is gone
FAREWELL_SECONDS = 3.0  # for the others to hear that the first instance ends


class Meeting:
    """A context in which a job's instances know of each other; of a study, an open one, to which they come and go.

    The first instance serves it at ``instances.meeting_address``. An exception that passes through the context is the
    reason that the others hear.

    Args:
        instances: several.
        purpose: what all must have in common, as short texts by name.
        seconds: how long the context's begin waits for the others; of an open meeting, for the first one.
        is_open: instances come and go, and one that is gone may come again, the first one too: nothing is agreed on.

    Attributes:
        on_lost: called, on a thread, with a phrase that names an instance that is gone, or has ended before its time.
        on_push: called at the first instance, on a thread, with the name and the folder of what another one sends.
            The folder is removed afterwards.

    Raises:
        MeetingOver: an instance has not come, or differs; at all instances.
        UserError: the port is not free.
    """

    def __init__(
        self, instances: "Instances", *, purpose: Mapping[str, str], seconds: float, is_open: bool = False
    ) -> None:
        self.instances, self.purpose, self.seconds, self.is_open = instances, purpose, seconds, is_open
        self.on_lost: Callable[[str], None] = lambda _: None
        self.on_push: Callable[[str, Path], None] = lambda _, __: None
        self.room: Room | None = None
        self.server: MeetingServer | None = None
        self.attendance: Attendance | None = None
        self.channel: Any = None
        self.waiting: Any = None  # the call of an agreement
        self.lock = threading.Lock()  # of has_left
        self.has_left = False

    def __enter__(self) -> "Meeting":
        grpc_environment.prepare(one.host for one in self.instances.members)
        try:
            if self.instances.is_chief:
                self._serve()
            else:
                self._attend()
        except BaseException as error:
            self.leave(one_line(error), getattr(error, "exit_code", 1))
            raise
        return self

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        self.leave(one_line(error) if error else "", getattr(error, "exit_code", 1) if error else 0)

    @property
    def over(self) -> MeetingOver | None:
        """Return why the instances do nothing more together, such as which of them is gone; None as long as they do."""
        end = self.room or self.attendance
        return end.over if end else None

    def agree(self, step: str, own: Mapping[str, str], decision: bytes = b"", note: str = "") -> bytes:
        """Wait for all instances to come to a step, and return the first one's decision.

        Args:
            step: a name that no other step has.
            own: what must be the same at all instances, as texts by name.
            decision: what the first instance gives to all; others give nothing.
            note: what this one says to the first, which need not be the same.

        Raises:
            MeetingOver: something differs, or an instance is gone or has ended; at all instances.
        """
        if self.room:
            self.room.decide(step, decision)
            agreed = self.room.agree(step, CHIEF, own, is_there=lambda: True, note=note)
            self.room.wait_until_fetched(step)
            return agreed
        pieces = self._call_agree(encode(index=self.instances.index, step=step, own=dict(own), note=note))
        head = decode(next(pieces))
        if text := messages.text(head, "over"):
            raise MeetingOver(text, messages.number(head, "code", 2))
        return b"".join(pieces)

    def notes(self, step: str) -> list[str]:
        """Return what the instances have said at a step that all have come to, at the first one; [] elsewhere."""
        return list(self.room.agreements[step].notes.values()) if self.room else []

    def push(self, folder: Path, name: str, *, seconds: float | None = None) -> None:
        """Send a folder's regular files to the first instance, which gets them in a scratch folder by ``on_push``.

        Args:
            name: by which the first instance knows what it is.
            seconds: for all of it; None for as long as the first instance can be reached.

        Raises:
            MeetingOver: they could not be sent, or the first instance has no place for them.
        """
        if self.instances.is_chief:
            self.on_push(name, folder)
            return
        from trialmaker.platform.meeting.pushing import send_folder

        send_folder(self.channel, folder, name, self.instances.name(CHIEF), seconds)

    def who_is_gone(self, seconds: float) -> MeetingOver | None:
        """Return the end by which an instance is gone, once something else, such as a collective, says that one is.

        Args:
            seconds: how long to wait for that to be known.
        """
        for one in (self.room, self.attendance):
            if one:
                one.silence_seconds = SUSPECT_SECONDS
        _wait(lambda: self.over, seconds)
        return self.over

    @property
    def present_others(self) -> int:
        """Return how many others are there, at the first instance; 0 elsewhere."""
        return sum(one.is_present for one in self.room.members[1:]) if self.room else 0

    def wait_for_all(self, seconds: float) -> list[str]:
        """Wait, at the first instance, until all others have left or are gone; return the names of those that stay."""
        return self.room.all_have_left(seconds) if self.room else []

    def wait_for_chief(self) -> int:
        """Wait, at another instance, until the first one has left in good order, and return its exit code.

        Raises:
            MeetingOver: it is gone, or has ended for a reason that concerns all.
        """
        attendance = self.attendance
        if attendance is None:
            return 0
        while not attendance.has_chief_left:
            self._raise_if_over()
            time.sleep(BEAT_SECONDS)
        self._raise_if_over()
        return attendance.chief_code

    def leave(self, reason: str = "", code: int = 0) -> None:
        """End this instance's part in the meeting; the end of the context does, where nobody has before.

        Args:
            reason: why it ends before its time; "" for an orderly end.
            code: this process' exit code.
        """
        with self.lock:
            if self.has_left:
                return
            self.has_left = True
        if self.attendance:
            self.attendance.leave(reason, code)
            self.channel.close()
        if self.room and self.server:
            self.room.on_lost = lambda _: None
            self.room.leave(CHIEF, reason, code)
            self.room.wait_until_told(FAREWELL_SECONDS)
            self.server.stop()

    def _raise_if_over(self) -> None:
        if over := self.over:
            raise over

    def _serve(self) -> None:
        from trialmaker.platform.meeting.rivals import rivals_text
        from trialmaker.platform.meeting.server import MeetingServer

        names = [self.instances.name(index) for index in range(len(self.instances.members))]
        room = Room(names, self.purpose, is_open=self.is_open)
        room.on_lost = lambda text: self.on_lost(text)
        self.server = MeetingServer(
            room, self.instances.meeting_address, lambda name, folder: self.on_push(name, folder)
        )
        self.room = room
        room.enter(CHIEF, self.purpose)
        if not self.is_open:
            room.wait_for_all(self.seconds, partial(rivals_text, self.instances))

    def _attend(self) -> None:
        import grpc

        from trialmaker.platform.meeting import attendance

        self.channel = grpc.insecure_channel(self.instances.meeting_address, options=attendance.CHANNEL_OPTIONS)
        chief = self.instances.name(CHIEF)
        own = attendance.Attendance(self.channel, self.instances.index, chief, self.purpose, is_open=self.is_open)
        self.attendance = own
        own.on_lost = self._end_waiting
        own.start()
        _wait(lambda: own.over or own.heard is not None, self.seconds)
        self._raise_if_over()
        if own.heard is None:
            raise not_come([chief], self.seconds)
        _wait(lambda: own.over or own.has_begun, self.seconds + SUSPECT_SECONDS)
        self._raise_if_over()
        if not own.has_begun:  # of which the first one has said nothing
            raise not_come([chief], self.seconds)

    def _end_waiting(self, text: str) -> None:
        if self.waiting:
            self.waiting.cancel()  # which may wait for what a network that is gone would bring
        self.on_lost(text)

    def _call_agree(self, request: bytes) -> Iterator[bytes]:
        """Yield the answer's pieces; the wait for them can be interrupted by a signal."""
        import grpc

        self.waiting = call = self.channel.unary_stream(f"/{messages.SERVICE}/{messages.AGREE}")(request)
        try:
            yield from call
        except (grpc.RpcError, grpc.FutureCancelledError) as error:
            if not _wait(lambda: self.over, BEAT_SECONDS * 4):
                why = error.details() if isinstance(error, grpc.Call) else error
                raise MeetingOver(f"{self.instances.name(CHIEF)} could not be reached: {why}") from error
            self._raise_if_over()
        finally:
            call.cancel()


def _wait(is_over: Callable[[], object], seconds: float) -> object:
    """Wait until something is so, or for so many seconds; return whether it is. A signal's exception ends the wait."""
    end = time.monotonic() + seconds
    while not (answer := is_over()) and time.monotonic() < end:
        time.sleep(0.05)
    return answer

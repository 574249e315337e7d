"""What the first instance knows of the others: who is there, what they agree on, who has ended and who is gone.

It knows no network: ``server`` tells it what comes in, on any thread.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence

from trialmaker.platform.meeting.comparison import difference
from trialmaker.platform.meeting.ends import START_AGAIN, MeetingOver, not_come
from trialmaker.platform.meeting.members import Agreement, Member

CHIEF = 0  # the index of the first instance
GONE_SECONDS = 30.0  # without a sign of life, after which an instance is gone
BEAT_SECONDS = 0.5  # between two looks at whether somebody is gone


class Room:
    """The state of a meeting, at the first instance.

    Args:
        names: of the instances, such as "instance 2 of 3 (10.0.0.2:2222)".
        purpose: what all must have in common, as text, by name.
        is_open: whether instances come and go, one that is gone may come again, and none waits for another.

    Attributes:
        over: why the instances do nothing more together; None as long as they do.
        has_begun: whether all have come.
        chief_code: the first instance's exit code, once it has left.
        silence_seconds: without a sign of life, after which an instance is gone.
        on_lost: called, on a thread, with a phrase for each instance that is gone.
    """

    def __init__(self, names: Sequence[str], purpose: Mapping[str, str], *, is_open: bool) -> None:
        self.names, self.purpose, self.is_open = names, purpose, is_open
        self.members = [Member() for _ in names]
        self.agreements: dict[str, Agreement] = {}
        self.refusals: dict[int, str] = {}  # by the index of who did not have the same purpose
        self.condition = threading.Condition()
        self.over: MeetingOver | None = None
        self.chief_code = 0
        self.has_begun = is_open
        self.silence_seconds = GONE_SECONDS
        self.on_lost: Callable[[str], None] = lambda _: None

    def enter(self, index: int, purpose: Mapping[str, str]) -> int:
        """Note that an instance has come; return which of its attendances this is.

        Raises:
            MeetingOver: it cannot take part; the message is for it alone.
        """
        with self.condition:
            self._check_entry(index, purpose)
            member = self.members[index]
            self.members[index] = Member(heard=time.monotonic(), attendance=member.attendance + 1)
            self.has_begun = self.has_begun or all(one.is_present for one in self.members)
            self.condition.notify_all()
            return member.attendance + 1

    def _check_entry(self, index: int, purpose: Mapping[str, str]) -> None:
        if not 0 <= index < len(self.members):
            raise MeetingOver(f"instance {index + 1}: there are {len(self.members)} instances; {START_AGAIN}")
        name = self.names[index]
        if text := difference(purpose, self.purpose):
            self.refusals[index] = f"{name} differs from the first: {text}; give all the same command, code and list"
            raise MeetingOver(self.refusals[index])
        if self.members[index].is_present and not self.is_open:  # else the last one counts, as after a start anew
            raise MeetingOver(f"{name} is there already: two instances take themselves for it; {START_AGAIN}")
        if self.over:
            raise self.over
        if self.has_begun and not self.is_open:
            raise MeetingOver(f"{name} came when the others had begun without it; {START_AGAIN}")

    def hear(self, index: int, attendance: int) -> None:
        """Note a sign of life."""
        with self.condition:
            if (member := self.members[index]).attendance == attendance:
                member.heard = time.monotonic()
                member.is_lost = member.is_lost and not self.is_open  # whose network is back

    def leave(self, index: int, reason: str, code: int) -> None:
        """Note that an instance ends, and why; the reason of an orderly end is ""."""
        with self.condition:
            self.members[index].has_left = True
            self.chief_code = code if index == CHIEF else self.chief_code
            if reason and not self.is_open:
                self._end(MeetingOver(f"{self.names[index]} has ended: {reason}", code))
            self.condition.notify_all()
        if reason:
            self.on_lost(f"{self.names[index]} has ended: {reason}")

    def drop(self, index: int, attendance: int, why: str) -> None:
        """Note that an instance is gone without a word."""
        with self.condition:
            member = self.members[index]
            if member.attendance != attendance or not member.is_present:
                return
            if not self.has_begun:  # it may come again
                member.heard = None
                return
            member.is_lost = True
            text = f"{self.names[index]} {why}"
            if not self.is_open:
                self._end(MeetingOver(text))
            self.condition.notify_all()
        self.on_lost(text)

    def check_silence(self) -> None:
        """Drop the instances that gave no sign of life for too long."""
        limit = time.monotonic() - self.silence_seconds
        for index, member in enumerate(self.members[1:], start=1):
            if member.is_present and (member.heard or 0.0) < limit:
                why = f"gives no sign of life for {self.silence_seconds:g} s"
                self.drop(index, member.attendance, why)

    def wait_for_all(self, seconds: float, look: Callable[[list[int]], str] = lambda _: "") -> None:
        """Wait until all instances have come.

        Args:
            look: called when half the time is over, with the indices of those that are missing: returns why.

        Raises:
            MeetingOver: one has not come in time.
        """
        reason = "" if self._begins_within(seconds / 2) else look(self._missing())
        if self._begins_within(seconds / 2):
            return
        with self.condition:
            names = [self.names[index] for index in self._missing()]
            refused = [self.refusals[index] for index in self._missing() if index in self.refusals]
            over = MeetingOver("; ".join(refused)) if refused else not_come(names, seconds, reason)
            self._end(over)
            raise self.over or over

    def _begins_within(self, seconds: float) -> bool:
        with self.condition:
            self.condition.wait_for(lambda: self.has_begun or self.over, seconds)
            return self.has_begun

    def _missing(self) -> list[int]:
        return [index for index, one in enumerate(self.members) if not one.is_present]

    def agree(
        self, step: str, index: int, own: Mapping[str, str], *, is_there: Callable[[], bool], note: str = ""
    ) -> bytes:
        """Bring what an instance has to a step, wait for the others, and return the first one's decision.

        Args:
            is_there: asked while it waits, whether its process is still there.
            note: what it says beside that, for the first instance.

        Raises:
            MeetingOver: what it has differs from the first one's, or somebody is gone.
        """
        with self.condition:
            agreement = self.agreements.setdefault(step, Agreement())
            agreement.notes[index], agreement.own[index] = note, own
            self.condition.notify_all()
            while len(agreement.own) < len(self.members):
                self._raise_if_over(agreement)
                if not is_there():
                    raise MeetingOver(f"{self.names[index]} is gone")
                self.condition.wait(BEAT_SECONDS)
            self._check_equal(agreement)
            return agreement.decision

    def note_fetched(self, step: str, index: int) -> None:
        """Note that another instance has got the decision."""
        with self.condition:
            self.agreements[step].fetched.add(index)
            self.condition.notify_all()

    def wait_until_fetched(self, step: str) -> None:
        """Wait until all others have got the decision, since what follows may keep this process from sending it."""
        with self.condition:
            agreement = self.agreements[step]
            while len(agreement.fetched) < len(self.members) - 1:
                if self.over:
                    raise self.over
                self.condition.wait(BEAT_SECONDS)

    def decide(self, step: str, decision: bytes) -> None:
        """Note the first instance's decision for a step, before it brings what it has."""
        with self.condition:
            self.agreements.setdefault(step, Agreement()).decision = decision

    def note_told(self, index: int) -> None:
        """Note that an instance is told the state, which may be the end."""
        with self.condition:
            self.members[index].knows_end = bool(self.over) or self.members[CHIEF].has_left
            self.condition.notify_all()

    def wait_until_told(self, seconds: float) -> None:
        """Wait until all others that are there know of the end."""
        with self.condition:
            self.condition.wait_for(
                lambda: all(one.knows_end or not one.is_present for one in self.members[1:]), seconds
            )  # looked up each time: one that comes again is another member

    def all_have_left(self, seconds: float) -> list[str]:
        """Wait until all other instances have ended or are gone; return the names of those that have not in time."""
        with self.condition:
            self.condition.wait_for(lambda: not any(one.is_present for one in self.members[1:]), seconds)
            others = zip(self.names[1:], self.members[1:], strict=True)
            return [name for name, one in others if one.is_present]

    def _raise_if_over(self, agreement: Agreement) -> None:
        if self.over:
            raise self.over
        for index, member in enumerate(self.members):
            if member.has_left and index not in agreement.own:
                raise MeetingOver(f"{self.names[index]} has ended")

    def _check_equal(self, agreement: Agreement) -> None:
        for index, own in sorted(agreement.own.items()):
            if text := difference(own, agreement.own[CHIEF]):
                law = "give all instances the same command, code and data"
                raise MeetingOver(f"{self.names[index]} differs from the first: {text}; {law}")

    def _end(self, over: MeetingOver) -> None:
        self.over = self.over or over
        self.condition.notify_all()

"""The instances of a meeting, and the steps at which they meet, as the first one sees them."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class Member:
    """An instance, as the first one sees it.

    Attributes:
        heard: ``time.monotonic()`` of its last sign of life; None before it came.
        attendance: how often it has come; the last one counts.
        has_left: whether it said that it ends.
        is_lost: whether it is gone without a word.
        knows_end: whether it was told that the first one has left, or why all is over.
    """

    heard: float | None = None
    attendance: int = 0
    has_left: bool = False
    is_lost: bool = False
    knows_end: bool = False

    @property
    def is_present(self) -> bool:
        """Return whether it came, and is neither gone nor at its end."""
        return self.heard is not None and not self.has_left and not self.is_lost


@dataclass
class Agreement:
    """One step at which all instances meet.

    Attributes:
        own: what each instance has brought, by its index.
        notes: what each has said beside that, which nobody compares, by its index.
        decision: the first instance's.
        fetched: the indices of the others that have got it.
    """

    own: dict[int, Mapping[str, str]] = field(default_factory=dict)
    notes: dict[int, str] = field(default_factory=dict)
    decision: bytes = b""
    fetched: set[int] = field(default_factory=set)

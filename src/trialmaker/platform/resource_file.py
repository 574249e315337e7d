"""What a ``config/resource.json`` says: the instances of the job, and perhaps which of them reads it."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from trialmaker.platform import addresses
from trialmaker.platform.resource_entries import MAX_INSTANCES, Member, UnclearError, shown
from trialmaker.platform.resource_forms import Claim, Reader
from trialmaker.platform.resource_keys import CHIEF_ROLE

DEFAULT_PORT = 2222  # where the file names none


@dataclass(frozen=True)
class Listing:
    """The instances that a file names, the chief first, and what it says of the one which reads it."""

    members: tuple[Member, ...]
    claims: tuple[Claim, ...]

    def claimed(self) -> Iterator[tuple[str, set[int]]]:
        """Yield each statement on which instance this is, and the indices of those that it fits.

        Raises:
            UnclearError: it fits none.
        """
        if own := {index for index, member in enumerate(self.members) if member.is_own}:
            yield "its entry in the file", own
        for claim in self.claims:
            if fitting := set(self._fitting(claim)):
                yield f"the file's {claim.key}", fitting
            elif claim.is_certain and self._could_fit(claim):
                law = f"0 to {len(self.members) - 1}" if isinstance(claim.value, int) else f"one of {self}"
                raise UnclearError(f"has the {claim.key} {shown(claim.value)}, which must be {law}")

    def _fitting(self, claim: Claim) -> Iterator[int]:
        indices = list(range(len(self.members)))
        if claim.role and any(member.role for member in self.members):
            indices = [index for index in indices if self.members[index].role == claim.role]
        if isinstance(claim.value, int):
            yield from indices[claim.value : claim.value + 1] if claim.value >= 0 else []
        elif address := addresses.parse(claim.value):
            for index in indices:
                member = self.members[index]
                if address.host in member.names and address.port in (None, member.address.port):
                    yield index

    def _could_fit(self, claim: Claim) -> bool:
        """Return whether instances are named in the way of a claim: by host names, or by IP addresses."""
        names = {name for member in self.members for name in member.names}
        return isinstance(claim.value, int) or addresses.has_ip(claim.value) in {addresses.is_ip(one) for one in names}

    def __str__(self) -> str:
        shown = [str(member.address) for member in self.members[:10]]
        return ", ".join(shown if len(self.members) <= 10 else [*shown, "…"])


def read(text: str) -> Listing:
    """Return what the text of a file says; a port that it does not name is ``DEFAULT_PORT``.

    Raises:
        UnclearError: it is no JSON, names no instance, or one twice, or has a form that is not understood.
    """
    reader = Reader()
    try:
        content = json.loads(text.removeprefix("\ufeff"), object_pairs_hook=_object)
        members = reader.members(content, is_listed=isinstance(content, list | str))
    except RecursionError as error:
        raise UnclearError("is nested too deeply") from error
    except ValueError as error:
        raise UnclearError(f"is no JSON ({error})" if text.strip() else "is empty") from error
    if not 0 < len(members) <= MAX_INSTANCES:
        raise UnclearError("names no instance" if not members else f"names more than {MAX_INSTANCES} instances")
    return Listing(tuple(_in_order(members)), tuple(reader.claims))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise UnclearError(f"has {shown(twice)} twice in one object")
    return content


def _in_order(members: list[Member]) -> list[Member]:
    """Return the instances with their ports, the chief first, in the order of the indices that the file gives them."""
    ports = [member.address.port or DEFAULT_PORT for member in members]
    placed = [
        replace(member, address=replace(member.address, port=port)) for member, port in zip(members, ports, strict=True)
    ]
    seen = {member.address for member in placed}
    if len(seen) < len(placed):
        raise UnclearError("names an instance twice, once without its port")
    if any(member.order is None for member in placed):
        return sorted(placed, key=lambda member: member.role != CHIEF_ROLE)
    if len({(member.role, member.order) for member in placed}) < len(placed):
        raise UnclearError("gives two instances the same index")
    return sorted(placed, key=lambda member: (member.role != CHIEF_ROLE, member.order))

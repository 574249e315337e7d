"""The forms in which a ``resource.json`` may name instances, and say which of them reads it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trialmaker.platform import addresses
from trialmaker.platform.resource_entries import (
    Member,
    UnclearError,
    as_one,
    distinct,
    from_entry,
    from_keys,
    from_text,
    is_id,
    is_pair,
    merge,
    parallel,
    shown,
    with_ports,
)
from trialmaker.platform.resource_keys import (
    ADDRESS_KEY,
    CHIEF_KEY,
    CHIEF_ROLE,
    INDEX_KEY,
    INSTANCE_KEY,
    NETWORK_KEY,
    NUMBERED_KEY,
    OWN_KEY,
    PART_KEY,
    PORT_KEY,
    UNUSED_ROLE,
    WORKER_KEY,
    integer,
    is_list,
    plain,
    role_of,
)

MPI_WORD = re.compile(r"(?:max[_-])?slots=")  # behind an address, how many processes MPI starts there


@dataclass(frozen=True)
class Claim:
    """What the file says of the instance that reads it: an address, a host name, or an index, perhaps within a role.

    Args:
        is_certain: whether the key says so, and not only its place beside the list.
    """

    key: str
    value: str | int
    role: str = ""
    is_certain: bool = True


class Reader:
    """A walk through a file's content; it gathers the claims."""

    def __init__(self) -> None:
        self.claims: list[Claim] = []

    def members(self, part: Any, *, is_listed: bool, role: str = "") -> list[Member]:
        """Return the instances that a part of the content names.

        Args:
            is_listed: whether it lies where instances are listed, so that a host name is one of them.
            role: that of the instances in it.

        Raises:
            UnclearError: it names none where it should, or one twice.
        """
        if isinstance(part, str):
            words = [word for word in re.split(r"[,;\s]+", part) if word and not MPI_WORD.match(word)]
            return distinct(from_text(word, role) for word in words if is_listed or addresses.has_ip(word))
        if isinstance(part, list):
            if is_listed and is_pair(part):
                return [from_entry({"address": part[0], "port": part[1]}, {"address": "address", "port": "port"}, role)]
            return distinct(one for entry in part for one in self._of_entry(entry, is_listed, role))
        return self._of_object(part, is_listed, role) if isinstance(part, dict) else []

    def _of_entry(self, entry: Any, is_listed: bool, role: str) -> list[Member]:
        members = self.members(entry, is_listed=is_listed, role=role)
        if is_listed and not members:
            raise UnclearError(f"lists {shown(entry)} as an instance, which has no address")
        return members

    def _of_object(self, part: Mapping[str, Any], is_listed: bool, role: str) -> list[Member]:
        part = {name: value for name, value in part.items() if not _is_part(plain(name), value, is_listed)}
        keys = {name: plain(name) for name in part}
        if unused := [name for name, key in keys.items() if UNUSED_ROLE.fullmatch(key) and part[name]]:
            raise UnclearError(f"names {shown(unused[0])}, and only workers are of use here")
        lists = [name for name, key in keys.items() if is_list(key, part[name])]
        is_entry = any(ADDRESS_KEY.fullmatch(key) or is_id(key, part[name]) for name, key in keys.items())
        if not lists and is_entry:
            return [from_entry(part, keys, role)]
        if not lists and (members := from_keys(part, is_listed, role)):
            return members
        for name, key in keys.items():
            if name not in lists:
                self._note_claims(name, key, part[name], is_beside_list=bool(lists))
        members = parallel(part, keys, lists) or self._of_values(part, keys, lists, is_listed, role)
        return with_ports(members, [part[name] for name, key in keys.items() if PORT_KEY.fullmatch(key)])

    def _of_values(
        self, part: Mapping[str, Any], keys: Mapping[str, str], lists: list[str], is_listed: bool, role: str
    ) -> list[Member]:
        """Return the instances in an object's lists, or in all of its values where it has none."""
        rest = sorted(part, key=int) if all(name.isdecimal() for name in part) else list(part)
        members: list[Member] = []
        of_networks: list[Member] = []  # where instances are listed, all of one
        for name in sorted(lists, key=lambda name: not CHIEF_KEY.fullmatch(keys[name])) or rest:
            key, value = keys[name], part[name]
            if lists:
                merge(members, self.members(value, is_listed=True, role=_role_in(key) or role))
            elif not OWN_KEY.fullmatch(key) and key != "task":
                is_entry = is_listed and (not isinstance(value, str) or NUMBERED_KEY.fullmatch(key) is not None)
                is_entry |= isinstance(value, str) and INSTANCE_KEY.fullmatch(key) is not None
                is_network = is_listed and NETWORK_KEY.fullmatch(key) is not None
                merge(of_networks if is_network else members, self.members(value, is_listed=is_entry, role=role))
        return members if len(members) > 1 else as_one([*members, *of_networks])

    def _note_claims(self, name: str, key: str, value: Any, *, is_beside_list: bool) -> None:
        """Note what an entry beside the lists says of which instance this is."""
        if key == "task" and isinstance(value, dict):
            if (index := integer(value.get("index"))) is not None:
                self.claims.append(Claim("task", index, role=role_of(str(value.get("type") or ""))))
        elif INDEX_KEY.fullmatch(key) and (index := integer(value)) is not None:
            self.claims.append(Claim(shown(name), index))
        elif OWN_KEY.fullmatch(key) and isinstance(value, dict):
            for inner, one in value.items():
                self._note_claims(inner, plain(inner), one, is_beside_list=True)
        elif OWN_KEY.fullmatch(key) and isinstance(value, str) and value:
            self.claims.append(Claim(shown(name), value))
        elif is_beside_list and ADDRESS_KEY.fullmatch(key) and isinstance(value, str):
            self.claims.append(Claim(shown(name), value, is_certain=addresses.has_ip(value)))


def _is_part(key: str, value: Any, is_listed: bool) -> bool:
    """Return whether a value is what an instance has: any part where instances are listed; else one with no address."""
    entries = value if isinstance(value, list) else [value]
    is_address = any(ADDRESS_KEY.fullmatch(plain(name)) for one in entries if isinstance(one, dict) for name in one)
    return PART_KEY.fullmatch(key) is not None and (is_listed or not is_address)


def _role_in(key: str) -> str:
    return CHIEF_ROLE if CHIEF_KEY.fullmatch(key) else "worker" if WORKER_KEY.fullmatch(key) else ""

"""The entries of a ``resource.json`` that name an instance each."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from trialmaker.errors import shorten
from trialmaker.platform import addresses
from trialmaker.platform.addresses import LARGEST_PORT, Address
from trialmaker.platform.resource_keys import (
    ADDRESS_KEY,
    ID_KEY,
    INDEX_KEY,
    NUMBERED_KEY,
    OWN_KEY,
    PORT_KEY,
    integer,
    plain,
    role_of,
)

MAX_INSTANCES = 1000


class UnclearError(Exception):
    """A file of which it is unclear which instances it names, or which of them this is. The message says why."""


@dataclass(frozen=True)
class Member:
    """An instance as the file names it.

    Args:
        address: where it can be reached.
        names: all host names and IP addresses that the file gives it, lower case.
        role: ``chief``, another one, or "".
        order: its index, where the file gives it one.
        is_own: whether its entry says that it is the one which reads the file.
    """

    address: Address
    names: frozenset[str]
    role: str = ""
    order: int | None = None
    is_own: bool = False


def is_id(key: str, value: Any) -> bool:
    """Return whether an entry is an instance's name that is its IP address."""
    return ID_KEY.fullmatch(key) is not None and isinstance(value, str) and addresses.is_ip(value)


def is_pair(part: list[Any]) -> bool:
    """Return whether a list is no list of instances, but the address and the port of one."""
    return len(part) == 2 and isinstance(part[0], str) and integer(part[1]) is not None


def from_text(text: str, role: str) -> Member:
    """Return the instance that a text is the address of."""
    if not (address := addresses.parse(text)):
        raise UnclearError(f"lists {shown(text)} as an instance, which is no address")
    return Member(address, frozenset({address.host}), role)


def from_entry(part: Mapping[str, Any], keys: Mapping[str, str], role: str) -> Member:
    """Return the instance that an object with an address is."""
    best, names = _address(part, keys)
    orders = [integer(part[name]) for name, key in keys.items() if INDEX_KEY.fullmatch(key)]
    roles = [role_of(str(part[name])) for name, key in keys.items() if key in ("role", "type") and part[name]]
    return Member(
        Address(best.host, best.port or _own_port(part, keys)),
        names,
        role=roles[0] if roles else role,
        order=orders[0] if orders else None,
        is_own=any(OWN_KEY.fullmatch(key) and part[name] is True for name, key in keys.items()),
    )


def _address(part: Mapping[str, Any], keys: Mapping[str, str]) -> tuple[Address, frozenset[str]]:
    """Return where an instance can be reached, an IP address that is not public first, and all that it is called."""
    ranked = []
    for name, key in keys.items():
        match = ADDRESS_KEY.fullmatch(key)
        if is_id(key, part[name]):
            ranked.append((False, True, Address(str(part[name]))))  # behind what is called an address
        elif match and part[name] not in (None, ""):
            address = addresses.parse(str(part[name]))
            if address is None and match["ip"]:
                raise UnclearError(f"has the {name} {shown(part[name])}, which is no address")
            if address:
                ranked.append((match["place"] == "public", not match["ip"], address))
    if not ranked:
        raise UnclearError(f"lists {shown(part)} as an instance, which has no address")
    best = min(ranked, key=lambda one: one[:2])[2]
    return best, frozenset(address.host for *_, address in ranked)


def _own_port(part: Mapping[str, Any], keys: Mapping[str, str]) -> int | None:
    """Return the port of an entry: its ``port``, or the one whose key ends so."""
    ports = {key: port for name, key in keys.items() if PORT_KEY.fullmatch(key) if (port := _port(part[name]))}
    if "port" in ports:
        return ports["port"]
    if len(set(ports.values())) > 1:
        several = ", ".join(map(str, ports.values()))
        raise UnclearError(f"gives an instance the ports {several}: one of them must be called port")
    return next(iter(ports.values()), None)


def from_keys(part: Mapping[str, Any], is_listed: bool, role: str) -> list[Member]:
    """Return the instances of an object from addresses to ports; none where it is something else."""
    members = []
    for name, value in part.items():
        address = addresses.parse(name)
        if isinstance(value, dict) and any(ADDRESS_KEY.fullmatch(plain(key)) for key in value):
            return []  # the name is no address, then
        port = value.get("port") if isinstance(value, dict) else value
        is_known = addresses.has_ip(name) or (is_listed and NUMBERED_KEY.search(name) is not None)
        if address is None or not is_known or (port is not None and integer(port) is None):
            return []
        members.append(Member(Address(address.host, address.port or _port(port)), frozenset({address.host}), role))
    return members


def parallel(part: Mapping[str, Any], keys: Mapping[str, str], lists: list[str]) -> list[Member]:
    """Return the instances of lists side by side, of their host names and of their addresses; else none."""
    filled = [name for name in lists if part[name] and isinstance(part[name], list)]
    columns = [name for name in filled if ADDRESS_KEY.fullmatch(keys[name])]
    if len(columns) < 2:
        return []
    if len({len(part[name]) for name in columns}) > 1:
        lengths = " and ".join(f"{len(part[name])} {name}" for name in columns)
        raise UnclearError(f"lists {lengths}, which must be as many")
    plurals = {name: match["plural"] for name in columns if (match := ADDRESS_KEY.fullmatch(keys[name]))}
    singular = {name: keys[name].removesuffix(plural or "") for name, plural in plurals.items()}
    rows = zip(*(part[name] for name in columns), strict=True)
    return distinct(from_entry(dict(zip(columns, row, strict=True)), singular, "") for row in rows)


def with_ports(members: list[Member], values: list[Any]) -> list[Member]:
    """Return the instances with the one port, or the list of ports, that stands beside them."""
    if len(values) != 1:
        return members
    is_each = isinstance(values[0], list) and not any(isinstance(one, dict) for one in values[0])
    ports = values[0] if is_each else [values[0]] * len(members)
    if len(ports) != len(members):
        raise UnclearError(f"names {len(members)} instances, and {len(ports)} ports")
    pairs = zip(members, ports, strict=True)
    return [replace(one, address=Address(one.address.host, one.address.port or _port(port))) for one, port in pairs]


def as_one(members: list[Member]) -> list[Member]:
    """Return the instance of which several addresses are named, the first one to reach it by."""
    names = frozenset(name for one in members for name in one.names)
    return [replace(one, names=names) for one in members[:1]]


def merge(members: list[Member], more: Iterable[Member]) -> None:
    """Add the instances that are not there yet: one list of the file may hold what another holds."""
    for new in more:
        same = [one for one in members if one.address.host == new.address.host]
        if not any(None in (one.address.port, new.address.port) or one.address == new.address for one in same):
            members.append(new)
            _check_count(len(members))


def distinct(members: Iterable[Member]) -> list[Member]:
    """Return the instances of one list, which names none twice."""
    seen: dict[Address, Member] = {}
    for member in members:
        if seen.setdefault(member.address, member) is not member:
            raise UnclearError(f"names {member.address} twice")
        _check_count(len(seen))
    return list(seen.values())


def shown(value: Any) -> str:
    """Return a value as the file has it, or the beginning of a long one."""
    return shorten(json.dumps(value), 60)


def _check_count(count: int) -> None:
    if count > MAX_INSTANCES:
        raise UnclearError(f"names more than {MAX_INSTANCES} instances")


def _port(value: Any) -> int | None:
    """Return the port that a value is; of several, which are all the instance's own, the first."""
    if value in (None, "", []):
        return None
    if isinstance(value, list):
        return _port(value[0])
    if isinstance(value, dict):
        ports = [one for key, one in value.items() if PORT_KEY.fullmatch(plain(key))]
        return _port(ports if ports else list(value.values()))
    port = integer(value.partition("-")[0] if isinstance(value, str) else value)
    if port is None or not 1 <= port <= LARGEST_PORT:
        raise UnclearError(f"has the port {shown(value)}, but a port is 1 to {LARGEST_PORT}")
    return port

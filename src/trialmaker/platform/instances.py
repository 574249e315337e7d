"""The instances of a job, which ``config/resource.json`` names, and which of them this process runs on."""

import json
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from trialmaker.errors import UserError, one_line, printable, shorten
from trialmaker.platform import addresses
from trialmaker.platform.addresses import LARGEST_PORT, Address
from trialmaker.platform.paths import root
from trialmaker.platform.redaction import without_password
from trialmaker.platform.regular_files import read_small
from trialmaker.platform.resource_entries import UnclearError
from trialmaker.platform.resource_file import DEFAULT_PORT, Listing, read

LAST_CHEAP = "its own address"  # the last evidence for which no name is looked up
HINT = "training.instance_index says it, from 0"
WAYS = (
    '[{"ip": "10.0.0.1", "port": 2222}, …], ["10.0.0.1:2222", …], {"hosts": ["a", "b"], "current_host": "a"} and'
    ' {"cluster": {"worker": ["a:2222", "b:2222"]}, "task": {"type": "worker", "index": 0}} are understood;'
    " instances=ignore trains on one instance alone"
)


@dataclass(frozen=True)
class Instance:
    """A machine of the job: its host name or IP address, and the port that it listens on."""

    host: str
    port: int

    def __str__(self) -> str:
        return str(Address(self.host, self.port))


@dataclass(frozen=True)
class Instances:
    """The machines of the job.

    Args:
        members: all of them; the first is the chief.
        index: of this one, from 0.
        source: how this one was told from the others, as "its own address".
    """

    members: tuple[Instance, ...]
    index: int
    source: str

    @property
    def is_several(self) -> bool:
        """Return whether there are others than this one."""
        return len(self.members) > 1

    @property
    def is_chief(self) -> bool:
        """Return whether this is the first, which writes the output."""
        return self.index == 0

    @property
    def own(self) -> Instance:
        """Return this one."""
        return self.members[self.index]

    @property
    def chief(self) -> Instance:
        """Return the first one."""
        return self.members[0]

    @property
    def meeting_address(self) -> str:
        """Return the address of the chief's service where the instances meet."""
        return self.meeting_address_at(0)

    def meeting_address_at(self, index: int) -> str:
        """Return where the instances would meet if another one were the chief: at the next port that none has."""
        return str(Instance(self.members[index].host, _next_port(self.members, index)))

    def name(self, index: int) -> str:
        """Return what messages call an instance, such as ``instance 2 of 3 (10.0.0.2:2222)``."""
        return f"instance {index + 1} of {len(self.members)} ({self.members[index]})"

    def line(self) -> str:
        """Return what was understood, on one line."""
        shown = ", ".join([*map(str, self.members[:10]), *(["…"] if len(self.members) > 10 else [])])
        number = "1 instance" if len(self.members) == 1 else f"{len(self.members)} instances"
        return f"config/resource.json names {number}, {shown}; this is {self.name(self.index)}, by {self.source}"


ALONE = Instances((Instance("127.0.0.1", DEFAULT_PORT),), 0, "itself")


def find_instances(*, index: int | None = None) -> Instances:
    """Return the instances that the job's ``config/resource.json`` names; one where there is no such file.

    Args:
        index: of this one, from 0, as a person says; None to tell it by the file, the host name or the own addresses.

    Raises:
        UserError: it is unclear which instances there are, or which of them this is.
    """
    path = root() / "config" / "resource.json"
    text = ""
    try:
        content = read_small(path)
        text = content.decode(json.detect_encoding(content))
        return _understood(read(text), index)
    except FileNotFoundError:
        if path.is_symlink():
            raise UserError(f"{path}: cannot be read: is a link to nothing; {WAYS}") from None
        if index:
            raise UserError(f"training.instance_index={index}: must be 0 where there is no {path}") from None
        return ALONE
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}; {WAYS}") from error
    except UnclearError as error:
        extract = f"; it holds {shorten(printable(without_password(one_line(text))))}" if text.strip() else ""
        raise UserError(f"{path}: {printable(str(error))}{extract}; {WAYS}") from error


def _understood(listing: Listing, index: int | None) -> Instances:
    members = tuple(Instance(one.address.host, one.address.port or DEFAULT_PORT) for one in listing.members)
    _check_ports(members)
    if index is not None and index >= len(members):
        law = f"must be 0 to {len(members) - 1}, since the file names {len(members)} instances"
        raise UserError(f"training.instance_index={index}: {law}: {listing}")
    if index is not None:
        return Instances(members, index, "training.instance_index")
    if len(members) == 1:
        list(listing.claimed())  # raises where the file names others alone
        return Instances(members, 0, "itself")
    return Instances(members, *_own_index(listing))


def _check_ports(members: tuple[Instance, ...]) -> None:
    if len(members) > 1 and _next_port(members, 0) > LARGEST_PORT:
        raise UnclearError(
            f"gives the first instance the port {members[0].port}, which must be less than {LARGEST_PORT}"
        )


def _next_port(members: Sequence[Instance], index: int) -> int:
    """Return the next port after an instance's own that none has, since several may be on one machine."""
    taken = {one.port for one in members}
    return next(port for port in count(members[index].port + 1) if port not in taken)


def _own_index(listing: Listing) -> tuple[int, str]:
    """Return which instance this is, and by what that was told.

    All that speaks for some of the instances must agree, and leave one. Names are looked up only if need be.
    """
    candidates, sources = set(range(len(listing.members))), list[str]()
    has_evidence = False
    for by, matches in _evidence(listing):
        if matches and not (matches & candidates):
            disagreeing = " and ".join([*sources, by])
            raise UnclearError(f"does not say which instance this is: {disagreeing} do not agree; {HINT}")
        has_evidence |= bool(matches)
        if matches and matches & candidates < candidates:
            candidates, sources = matches & candidates, [*sources, by]
        if len(candidates) == 1 and by == LAST_CHEAP:
            break
    if len(candidates) > 1:
        reason = "several may be" if has_evidence else f"none has its host name, {socket.gethostname()}, or its address"
        raise UnclearError(f"does not say which of the {len(listing.members)} instances this is: {reason}; {HINT}")
    return candidates.pop(), sources[0]


def _evidence(listing: Listing) -> Iterator[tuple[str, set[int]]]:
    """Yield what tells which instance this is, and the indices of those that it speaks for."""
    yield from listing.claimed()
    own = socket.gethostname().lower()
    for label, names in (("its host name", {own}), ("its short host name", {own.partition(".")[0]})):
        yield f"{label} {own}", {index for index, one in enumerate(listing.members) if names & one.names}
    hosts = [one.address.host for one in listing.members]
    yield LAST_CHEAP, {index for index, host in enumerate(hosts) if addresses.is_ip(host) and addresses.is_own(host)}
    yield "what its names stand for", {index for index, host in enumerate(hosts) if addresses.is_own(host)}

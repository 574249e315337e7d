"""Addresses of machines as texts: an IP address or a host name, and perhaps a port."""

import ipaddress
import re
import socket
from contextlib import suppress
from dataclasses import dataclass

LARGEST_PORT = 65535
ADDRESS_SCHEME = re.compile(r"[a-z]+://(?=[^/]+/?$)")
WITH_PORT = re.compile(r"(?:\[(?P<bracketed>[^\]]+)\]|(?P<plain>[^:\[\]]+))(?::(?P<port>\d{1,6}))?")
HOST_NAME = re.compile(
    r"(?=.{1,253}$)(?=.*[a-z])(?:[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?)(?:\.[a-z0-9][a-z0-9_-]{0,62})*\.?"
)


@dataclass(frozen=True)
class Address:
    """A host, lower case, and its port, or None."""

    host: str
    port: int | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


def parse(text: str) -> Address | None:
    """Return the address that a text is, such as ``10.0.0.1:2222``, ``[fd00::1]:2222``, ``algo-1``; None if it is none.

    A port out of range makes it none, and so does an address that no machine has, such as ``0.0.0.0``.
    """
    text = ADDRESS_SCHEME.sub("", text.strip().lower()).removesuffix("/")
    if is_ip(text):
        return Address(text)
    if not (match := WITH_PORT.fullmatch(text)):
        return None
    host, port = match["bracketed"] or match["plain"], match["port"]
    if not is_ip(host) and (match["bracketed"] or not HOST_NAME.fullmatch(host)):
        return None
    host = host.removesuffix(".")
    if port is None:
        return Address(host)
    return Address(host, int(port)) if 1 <= int(port) <= LARGEST_PORT else None


def is_ip(host: str) -> bool:
    """Return whether a text is an IP address that a machine may have."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return not (address.is_unspecified or address.is_multicast)


def has_ip(text: str) -> bool:
    """Return whether a text is an address of digits, with or without a port."""
    address = parse(text)
    return address is not None and is_ip(address.host)


def is_own(host: str) -> bool:
    """Return whether an address, or one that a host name stands for, is one of this machine's: it can be bound to."""
    if is_ip(host):
        return _can_bind(socket.AF_INET6 if ":" in host else socket.AF_INET, (host, 0))
    with suppress(OSError, UnicodeError):  # nobody knows the name
        return any(_can_bind(one[0], one[4]) for one in socket.getaddrinfo(host, 0, type=socket.SOCK_DGRAM))
    return False


def _can_bind(family: int, address: tuple[object, ...]) -> bool:
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as one:
            one.bind(address)
    except OSError:
        return False
    return True

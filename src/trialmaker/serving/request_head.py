"""Checks of a request's head: what may be there once, and which host the request is for."""

import re
from collections.abc import Iterable
from functools import lru_cache

from starlette.types import Scope

from trialmaker.serving.errors import HTTPError

SINGLE_HEADERS = frozenset({b"host", b"authorization", b"content-type", b"date"})  # two of them have no one meaning
HOST_PATTERN = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[\w.~!$&'()*+;=%-]*)(?::[0-9]*)?", re.ASCII)
# This machine's own names, and addresses in any spelling: who owns a name can point it here, but owns no number.
ADDRESS_NUMBER = r"(?:0x[0-9a-f]*|[0-9]+)"
LOCAL_NAME = re.compile(
    rf"(?:(?:.+\.)?localhost|{ADDRESS_NUMBER}(?:\.{ADDRESS_NUMBER})*|\[[0-9a-f:.]+\])\.?", re.IGNORECASE
)
MEMORABLE_HOSTS = 64  # whose check is done once
MEMORABLE_HOST_BYTES = 256  # of each: a name of the DNS has at most 253
AUTHORITY = "authority"  # in the scope's state: the host of a request target such as http://host/path


def check(scope: Scope, *, local_only: bool = False) -> None:
    """Check the head of a request.

    Args:
        scope: the request's.
        local_only: the service is for this machine alone, which no other name than its own may reach: a page of a
            stranger can have its name point here, and would then read the answers (DNS rebinding).

    Raises:
        HTTPError: 400, a header is there twice, or the host is missing, not valid or unclear; 421, it is another one.
    """
    hosts = _single_values(scope["headers"])
    if scope.get("http_version") == "1.1" and not hosts:
        raise HTTPError(400, "Host: is missing; HTTP/1.1 needs it")
    for host in hosts:
        name, is_local = (_memorable_host if len(host) <= MEMORABLE_HOST_BYTES else _parsed_host)(host)
        if name is None:
            raise HTTPError(400, f"Host: must be a name or an address, and a port; got {host.decode('latin-1')}")
        if scope.get("state", {}).get(AUTHORITY, host).lower() != host.lower():
            raise HTTPError(400, "Host: must be the host that the request's target names")
        if local_only and not is_local:
            law = "this service answers this machine alone, under its own names such as localhost"
            got = f"got {name}" if name else "but it is empty"
            raise HTTPError(421, f"Host: {law}; {got}; predict.py --host 127.0.0.1 answers under every name")


def _parsed_host(host: bytes) -> tuple[str | None, bool]:
    """Return the name or address in a host header, None where it is not valid; and whether it is this machine's own."""
    match = HOST_PATTERN.fullmatch(host)
    name = match[1].decode() if match else None
    return name, name is not None and LOCAL_NAME.fullmatch(name) is not None


_memorable_host = lru_cache(MEMORABLE_HOSTS)(_parsed_host)


def value(scope: Scope, name: bytes) -> bytes | None:
    """Return the value of a header, by its lower-case name: the first, where there are several."""
    for key, text in scope["headers"]:
        if key == name:
            return bytes(text)
    return None


def combined(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return headers by name; those that are there several times, joined by commas."""
    values: dict[str, str] = {}
    for name, value in headers:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        values[key] = f"{values[key]}, {text}" if key in values else text
    return values


def _single_values(headers: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
    """Return the value of the host's header, if there is one."""
    seen: set[bytes] = set()
    hosts = []
    for name, value in headers:
        if name in SINGLE_HEADERS:
            if name in seen:
                raise HTTPError(400, f"{name.decode().title()}: is there more than once; send it once")
            seen.add(name)
            if name == b"host":
                hosts.append(value)
    return hosts

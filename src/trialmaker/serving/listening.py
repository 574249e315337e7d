"""The socket that the service listens on, and who can reach it."""

import errno
import socket

from trialmaker.errors import UserError
from trialmaker.serving.settings import Settings

LISTENING_ADVICE = {  # by the number of the error
    errno.EADDRINUSE: "another process listens there; choose another port",
    errno.EACCES: "this account may not; choose a port above 1023",
}
CALLERS = {  # who is answered, by the mode of the keys
    "ak": "answers who sends the access key",
    "signature": "answers who signs with the secret key",
    "either": "answers who sends the access key, or signs with the secret key",
}


def listen(settings: Settings) -> socket.socket:
    """Return the socket; of ``--host ::`` one for IPv4 too, where the machine has both.

    Raises:
        UserError: the address is none of this machine, or taken.
    """
    try:
        family = _family(settings.host)
        dual_stack = settings.host == "::" and socket.has_dualstack_ipv6()
        listener = socket.create_server(
            (settings.host, settings.port),
            family=family,
            backlog=settings.max_waiting,
            dualstack_ipv6=dual_stack,
        )
        listener.set_inheritable(True)
    except (OSError, OverflowError, UnicodeError, ValueError) as error:
        advice = LISTENING_ADVICE.get(getattr(error, "errno", None) or 0, "--host must be an address of this machine")
        place = f"--host {settings.host} --port {settings.port}"
        raise UserError(f"{place}: cannot listen there: {error}; {advice}") from None
    return listener


def place(listener: socket.socket, *, for_browser: bool = False) -> str:
    """Return where a socket listens, as ``host:port``.

    Args:
        listener: the socket.
        for_browser: name this machine in place of all its addresses.
    """
    host, port = listener.getsockname()[:2]
    if for_browser and host in ("0.0.0.0", "::"):
        host = "127.0.0.1"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def reach(settings: Settings, listener: socket.socket) -> str:
    """Return who can reach the service and whom it answers, as one line."""
    host = listener.getsockname()[0]
    if settings.local_only:
        return f"only this machine can reach {host}; --host 0.0.0.0 lets others in, MODELMAKER_AK asks them for a key"
    callers = CALLERS[settings.keys.mode] if settings.keys.access else "answers everybody, since no key is set"
    is_loopback = host.startswith("127.") or host == "::1"
    reachers = "only this machine can reach" if is_loopback else "every machine in reach of this one can reach"
    return f"{reachers} {host}, {settings.host_reason}; the service {callers}"


def _family(host: str) -> socket.AddressFamily:
    """Return the family of an address or a name; IPv4 where a name has both."""
    families = {entry[0] for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    return socket.AF_INET if socket.AF_INET in families else socket.AF_INET6

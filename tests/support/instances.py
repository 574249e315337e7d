"""Instances of a job on this machine."""

import socket
from contextlib import ExitStack

from trialmaker.platform.instances import Instance, Instances


def loopback_instances(count: int) -> list[Instances]:
    """The instances as each of them sees them, at ports that are free."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        members = tuple(Instance("127.0.0.1", one.getsockname()[1]) for one in sockets)
    return [Instances(members, index, "training.instance_index") for index in range(count)]

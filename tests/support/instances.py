"""Instances of a job on this machine."""

from support.servers import free_port
from trialmaker.platform.instances import Instance, Instances


def loopback_instances(count: int) -> list[Instances]:
    """The instances as each of them sees them, at ports that are free."""
    members = tuple(Instance("127.0.0.1", free_port()) for _ in range(count))
    return [Instances(members, index, "training.instance_index") for index in range(count)]

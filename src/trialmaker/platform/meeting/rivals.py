"""Instances that take themselves for the first one, as where each one's file names its own machine first."""

from collections.abc import Sequence

import grpc

from trialmaker.platform.instances import Instances
from trialmaker.platform.meeting import messages
from trialmaker.platform.meeting.messages import decode, encode

LOOK_SECONDS = 1.0  # for an instance to answer
MOST_LOOKED_AT = 3


def rivals_text(instances: Instances, missing: Sequence[int]) -> str:
    """Return that another instance serves a meeting, as only the first one does; "" where none does.

    Args:
        missing: the indices of instances that have not come.
    """
    for index in missing[:MOST_LOOKED_AT]:
        place = instances.meeting_address_at(index)
        if _serves_a_meeting(place):
            return f"{place} answers, as the first one alone should (each config/resource.json must have one order)"
    return ""


def _serves_a_meeting(address: str) -> bool:
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        call = channel.stream_stream(f"/{messages.SERVICE}/{messages.ATTEND}")
        try:
            return "over" in decode(next(call(iter([encode()]), timeout=LOOK_SECONDS)))  # nobody, who is refused
        except (grpc.RpcError, ValueError, StopIteration):
            return False

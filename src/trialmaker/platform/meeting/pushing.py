"""The sending of files to the first instance."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc

from trialmaker.platform.meeting import files, messages
from trialmaker.platform.meeting.ends import MeetingOver
from trialmaker.platform.meeting.messages import decode, encode


def push_folder(channel: Any, folder: Path, seconds: float | None, **heading: Any) -> dict[str, Any]:
    """Send a folder's regular files; return the first instance's answer.

    Args:
        channel: to the first instance.
        seconds: for all of it; None for no limit.
        heading: what it is told of the folder before: ``name``, and ``index`` of who sends it.

    Raises:
        grpc.RpcError: the first instance does not answer.
        OSError, ValueError: a file cannot be read, or the answer is none.
    """

    def pieces() -> Iterator[bytes]:
        yield encode(**heading)
        yield from files.packed(folder)

    call = channel.stream_unary(f"/{messages.SERVICE}/{messages.PUSH}")
    return decode(call(pieces(), timeout=seconds))


def send_folder(channel: Any, folder: Path, name: str, chief: str, seconds: float | None) -> None:
    """Send a folder's regular files, and wait until the first instance has taken them.

    Args:
        channel: to the first instance.
        name: by which it knows what they are.
        chief: the first instance's name.
        seconds: for all of it; None for no limit.

    Raises:
        MeetingOver: they could not be sent, or it has no place for them.
    """
    try:
        answer = push_folder(channel, folder, seconds, name=name)
    except (grpc.RpcError, ValueError, OSError) as error:
        details = error.details() if isinstance(error, grpc.Call) else error
        raise MeetingOver(f"{chief}: {folder.name} could not be sent to it: {details}") from error
    if text := messages.text(answer, "error"):
        raise MeetingOver(f"{chief}: did not take {folder.name}: {text}")

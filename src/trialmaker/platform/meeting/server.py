"""The service of the first instance: gRPC around a ``Room``."""

import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc

from trialmaker.errors import UserError, one_line
from trialmaker.platform import addresses
from trialmaker.platform.meeting import files, messages
from trialmaker.platform.meeting.ends import MeetingOver
from trialmaker.platform.meeting.messages import STREAM_PIECE_BYTES, decode, encode
from trialmaker.platform.meeting.room import BEAT_SECONDS, Room

CALLS_PER_INSTANCE = 4  # at once: its attendance, an agreement, a file, and one that is ending
SERVER_STOP_SECONDS = 2.0  # for calls that go on at the end
MAX_PUSH_NAME_CHARACTERS = 200  # of a pushed folder
SERVER_OPTIONS = [
    ("grpc.so_reuseport", 0),  # else two jobs would share a port, and each get some of the calls
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),  # else the instances' keep-alive is an offence
    ("grpc.max_receive_message_length", messages.MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", -1),
]


class MeetingServer:
    """The server, from its port's opening to its end.

    Args:
        room: that it serves.
        address: "host:port".
        on_push: gets the name and the folder of each push, on a thread; the folder is removed afterwards.

    Raises:
        UserError: the port is not free.
    """

    def __init__(self, room: Room, address: str, on_push: Callable[[str, Path], None]) -> None:
        self.room, self.on_push = room, on_push
        self.is_ending = threading.Event()
        pool = ThreadPoolExecutor(CALLS_PER_INSTANCE * len(room.members), thread_name_prefix="meeting")
        self.server = grpc.server(pool, options=SERVER_OPTIONS)
        handlers = {
            messages.ATTEND: grpc.stream_stream_rpc_method_handler(self._attend),
            messages.AGREE: grpc.unary_stream_rpc_method_handler(self._agree),
            messages.PUSH: grpc.stream_unary_rpc_method_handler(self._push),
        }
        self.server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(messages.SERVICE, handlers)])
        _open_port(self.server, address)
        self.server.start()
        self.watch = threading.Thread(target=self._watch, daemon=True)
        self.watch.start()

    def stop(self) -> None:
        """End the service."""
        self.is_ending.set()
        self.server.stop(SERVER_STOP_SECONDS).wait()

    def _watch(self) -> None:
        while not self.is_ending.wait(BEAT_SECONDS):
            self.room.check_silence()

    def _attend(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        """Answer an instance's signs of life with the state of the meeting; the first of them says who it is."""
        try:
            hello = decode(next(requests))
            index = messages.number(hello, "index", -1)
            attendance = self.room.enter(index, messages.texts(hello, "purpose"))
        except (MeetingOver, StopIteration, ValueError, grpc.RpcError) as refusal:
            yield encode(over=one_line(refusal), code=getattr(refusal, "exit_code", UserError.exit_code))
            return
        context.add_callback(lambda: self.room.drop(index, attendance, "is gone: its connection has ended"))
        yield self._state(index, attendance)
        for request in requests:
            fields = decode(request)
            self.room.hear(index, attendance)
            if "leave" in fields:
                self.room.leave(index, messages.text(fields, "leave"), messages.number(fields, "code", 0))
            yield self._state(index, attendance)

    def _state(self, index: int, attendance: int) -> bytes:
        room = self.room
        over, chief = room.over, room.members[0]
        room.note_told(index)
        if room.members[index].attendance != attendance:
            over = MeetingOver(f"{room.names[index]}: another instance has taken its place")
        return encode(
            has_begun=room.has_begun,
            over=str(over) if over else "",
            code=over.exit_code if over else 0,
            has_chief_left=chief.has_left,
            chief_code=room.chief_code,
        )

    def _agree(self, request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        try:
            fields = decode(request)
            index = messages.number(fields, "index", -1)
            if not 0 < index < len(self.room.members):
                raise MeetingOver(f"there is no instance {index + 1}")
            own = messages.texts(fields, "own")
            step, note = messages.text(fields, "step"), messages.text(fields, "note")
            decision = self.room.agree(step, index, own, is_there=context.is_active, note=note)
            context.add_callback(lambda: self.room.note_fetched(step, index))
        except (MeetingOver, ValueError) as error:
            yield encode(over=one_line(error), code=getattr(error, "exit_code", UserError.exit_code))
            return
        yield encode(size=len(decision))
        for begin in range(0, len(decision), STREAM_PIECE_BYTES):
            yield decision[begin : begin + STREAM_PIECE_BYTES]

    def _push(self, requests: Iterator[bytes], _: grpc.ServicerContext) -> bytes:
        try:
            name = messages.text(decode(next(requests)), "name")[:MAX_PUSH_NAME_CHARACTERS]
            folder = files.unpack(requests)
        except (UserError, OSError, ValueError, StopIteration) as error:
            return encode(error=one_line(error))
        try:
            self.on_push(name, folder)
        except (UserError, OSError) as error:
            return encode(error=one_line(error))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return encode(error="")


def _open_port(server: Any, address: str) -> None:
    """Open the port at the IP address alone; at all of them where it is not this machine's, as behind a router.

    So also for a host name, which a machine may know as its loopback address, where the others cannot reach it.

    Raises:
        UserError: it is not free.
    """
    port = address.rpartition(":")[2]
    for place in (*([address] if addresses.has_ip(address) else []), f"[::]:{port}", f"0.0.0.0:{port}"):
        try:
            server.add_insecure_port(place)
        except RuntimeError:
            continue
        return
    law = "another process has it, or another job: end that, or give the instances other ports"
    raise UserError(f"{address}: the instances' port cannot be opened: {law}")

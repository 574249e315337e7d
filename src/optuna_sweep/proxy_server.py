"""Optuna's gRPC proxy in a thread of this process, for the other machines that work on a study.

Optuna's ``run_grpc_proxy_server`` blocks for ever and shares its port with whoever else asks for it; so the server is
made here of its private parts, seen with optuna 5.0. All workers, those of this machine too, go through the one proxy:
in one process a claim on a journal's trial is atomic (optuna#6084).
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from hydra.errors import HydraException
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.storages._grpc.auto_generated import api_pb2_grpc
from optuna.storages._grpc.servicer import OptunaStorageProxyService

from optuna_sweep import application
from optuna_sweep.process_identity import supervisor_name
from optuna_sweep.proxy_client import REPORTS_METHOD, SUPERVISOR
from optuna_sweep.reports import write_values

SERVER_THREADS = 10  # Optuna's own number
QUIET_SECONDS = 3.0  # a command that works on the study calls more often
LINGER_SECONDS = 20.0  # at most, for the other commands to see that the study has ended
AWAITED_SECONDS = 60.0  # at most, for those that the application knows of, which may only begin
INT64 = range(-(1 << 63), 1 << 63)  # of Optuna's messages: with a larger step no answer could be given any more
PROXY_OPTIONS = (
    ("grpc.so_reuseport", 0),  # else two commands could listen on one port, and each get half of the calls
    ("grpc.max_receive_message_length", -1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
)


class _Callers(grpc.ServerInterceptor):
    """Notes when each command that works on the study called last.

    Attributes:
        last_call: ``time.monotonic()`` by the name of a command.
    """

    def __init__(self) -> None:
        self.last_call: dict[str, float] = {}

    def intercept_service(self, continuation: Callable[[Any], Any], details: Any) -> Any:
        """Note the caller, and go on."""
        names = [value for key, value in details.invocation_metadata if key == SUPERVISOR]
        self.last_call.update(dict.fromkeys(names, time.monotonic()))
        return continuation(details)

    def wait_until_quiet(self) -> None:
        """Wait until no other command calls any more, nor one that has not called yet is to come; but not for ever."""
        begin, own, is_awaited = time.monotonic(), supervisor_name(), application.registered().is_awaited
        while (now := time.monotonic()) - begin < AWAITED_SECONDS:
            last = max((last for name, last in list(self.last_call.items()) if name != own), default=-QUIET_SECONDS)
            is_calling = now - last <= QUIET_SECONDS and now - begin < LINGER_SECONDS
            if not is_calling and not is_awaited():
                return
            time.sleep(0.1)


class _Reports(grpc.GenericRpcHandler):
    """Stores the values that a trial has reported, many in a call, where Optuna's own method takes one."""

    def __init__(self, storage: BaseStorage) -> None:
        self.storage = storage

    def service(self, details: Any) -> Any:
        """Return what handles a call of that method; None for others."""
        return grpc.unary_unary_rpc_method_handler(self._write) if details.method == REPORTS_METHOD else None

    def _write(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        try:
            trial_id, values = json.loads(request)
            numbers = {int(step): float(value) for step, value in values}
            if not all(one in INT64 for one in (int(trial_id), *numbers)):
                raise ValueError("a number is too large")
            write_values(self.storage, int(trial_id), numbers)
        except UpdateFinishedTrialError:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "the trial has ended")
        except (KeyError, ValueError, TypeError, OverflowError, RecursionError) as error:
            code = grpc.StatusCode.NOT_FOUND if isinstance(error, KeyError) else grpc.StatusCode.INVALID_ARGUMENT
            context.abort(code, repr(error))
        return b""


@contextmanager
def serving(storage: BaseStorage, address: str, interceptors: Sequence[grpc.ServerInterceptor] = ()) -> Iterator[None]:
    """Serve a storage for as long as the context lasts, and until the other commands have seen how the study ended.

    Args:
        storage: what is served.
        address: ``host:port`` to listen on; it serves this machine's own processes at ``127.0.0.1``, too.
        interceptors: gRPC's, which see each call.

    Raises:
        HydraException: it cannot be listened on.
    """
    callers = _Callers()
    seeing = (callers, *interceptors)
    server = grpc.server(ThreadPoolExecutor(SERVER_THREADS), interceptors=seeing, options=PROXY_OPTIONS)
    add_service: Any = api_pb2_grpc.add_StorageServiceServicer_to_server  # which has no types
    add_service(OptunaStorageProxyService(storage), server)
    server.add_generic_rpc_handlers((_Reports(storage),))
    host, port = split_address(address)
    for place in dict.fromkeys((f"{host}:{port}", *([] if host == "0.0.0.0" else [f"127.0.0.1:{port}"]))):
        try:
            server.add_insecure_port(place)
        except RuntimeError as error:
            raise HydraException(
                f"hydra.sweeper.serve={address}: {place} cannot be listened on: another process has that port, or this"
                " machine has no such address; end that process, or take another port"
            ) from error
    server.start()
    try:
        yield
        callers.wait_until_quiet()
    except HydraException:  # too many trials have failed, which the others are to see, too
        callers.wait_until_quiet()
        raise
    finally:
        server.stop(grace=1.0).wait()


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of ``host:port``.

    Raises:
        HydraException: it is no such address.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise HydraException(f"hydra.sweeper.serve={address}: must be host:port, such as 0.0.0.0:13000")
    return host, int(port)

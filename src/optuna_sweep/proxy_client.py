"""A client of Optuna's gRPC proxy that waits for a proxy which is away for a while.

Optuna's own fails with the first call that is not answered (seen with optuna 5.0, whose private ``_setup`` is replaced
here). The proxy is away while its machine starts its command again, or while the network is cut.
"""

import json
import logging
import threading
import time
import warnings
from collections import namedtuple
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import grpc
from hydra.errors import HydraException
from optuna.exceptions import ExperimentalWarning, UpdateFinishedTrialError
from optuna.storages import BaseStorage, GrpcStorageProxy
from optuna.storages._grpc.auto_generated import api_pb2_grpc
from optuna.storages._grpc.client import GrpcClientCache
from optuna.trial import TrialState

from optuna_sweep import application
from optuna_sweep.process_identity import supervisor_name

log = logging.getLogger(__name__)
PROXY_PORT = 13000  # Optuna's
CALL_LIMIT_SECONDS = 30.0  # a call that takes longer is not answered
UNSAID_SECONDS = 10.0  # in which a proxy may start when the command that needs it does, and nothing is said
PROXY_RETRY_SECONDS = 1.0  # between two calls of a proxy that is away
HURRY_SECONDS = 5.0  # to wait for a proxy at most, once this process is to end
REPORTS_METHOD = "/optuna_sweep.Reports/SetTrialIntermediateValues"  # of our own proxy, beside Optuna's methods
SUPERVISOR = "sweep-supervisor"  # metadata of each call: the command that it belongs to
AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)
ANSWERS = (  # those that Optuna's client knows
    *(grpc.StatusCode.OK, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.ALREADY_EXISTS),
    *(grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.INVALID_ARGUMENT),
)
FULL_DISK = "No space left on device"
CLIENT_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.enable_http_proxy", 0),  # which is for the web
    # A connection whose other end vanished without a word is given up while a call waits, and made anew.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.initial_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)


class StorageAway(HydraException):
    """A proxy that does not answer, or not with what Optuna's client knows, for longer than was to be waited."""


class _Details(
    namedtuple("_Details", ("method", "timeout", "metadata", "credentials", "wait_for_ready", "compression")),
    grpc.ClientCallDetails,
):
    """What gRPC is told of a call."""


class _Patience(grpc.UnaryUnaryClientInterceptor):
    """Makes calls again that a proxy which is away does not answer.

    Args:
        address: the proxy's, for messages.
        seconds: how long to wait for it.

    Attributes:
        repeated: how many calls were made again, which may have been executed twice.
    """

    def __init__(self, address: str, seconds: float) -> None:
        self.address, self.seconds = address, seconds
        self.repeated = 0
        self._away_since: float | None = None
        self._is_said = False
        self._quiet_seconds = UNSAID_SECONDS
        self._lock = threading.Lock()  # of _away_since: heartbeats come from a thread of their own

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        """Call until there is an answer."""
        metadata = [*(details.metadata or ()), (SUPERVISOR, supervisor_name())]
        limited = _Details(details.method, CALL_LIMIT_SECONDS, metadata, details.credentials, None, None)
        while (call := continuation(limited, request)).code() in AWAY:
            self._wait(call)
            self.repeated += 1
        is_optunas = call.code() == grpc.StatusCode.UNIMPLEMENTED and details.method == REPORTS_METHOD
        if call.code() not in ANSWERS and not is_optunas:
            if FULL_DISK in str(call.details()):
                raise StorageAway(f"{self.address}: no space is left where the study is stored")
            raise StorageAway(f"{self.address}: {call.code().name}: {' '.join(str(call.details()).split())}")
        self._note_answer()
        return call

    def _wait(self, call: Any) -> None:
        application.registered().when_away()
        with self._lock:
            if self._away_since is None:
                self._away_since = time.monotonic()
            if not self._is_said and time.monotonic() - self._away_since >= self._quiet_seconds:
                self._is_said = True
                log.warning(f"{self.address}, the study's storage, does not answer: waiting up to {self.seconds:g} s")
        if time.monotonic() - self._away_since >= self.seconds:
            raise StorageAway(
                f"{self.address}, the study's storage, has not answered for {self.seconds:g} s"
                f" ({call.code().name}): start the command that serves it again, then this one"
            )
        time.sleep(PROXY_RETRY_SECONDS)

    def _note_answer(self) -> None:
        with self._lock:
            if self._is_said and self._away_since is not None:
                log.info(f"{self.address}: answers again, after {time.monotonic() - self._away_since:.0f} s")
            self._away_since, self._is_said, self._quiet_seconds = None, False, 0.0


class _RecentTrials(GrpcClientCache):
    """Optuna's cache of a study's trials, which may be read again as they were a moment ago.

    Attributes:
        max_age_seconds: how long ago.
    """

    def __init__(self, stub: Any) -> None:
        super().__init__(stub)
        self.max_age_seconds = 0.0
        self._read_at: dict[int, float] = {}  # ``time.monotonic()`` by study

    def _read_trials_from_remote_storage(self, study_id: int) -> None:
        if study_id in self.studies and time.monotonic() - self._read_at.get(study_id, 0.0) < self.max_age_seconds:
            return
        super()._read_trials_from_remote_storage(study_id)
        self._read_at[study_id] = time.monotonic()


class PatientProxy(GrpcStorageProxy):
    """Optuna's client, which waits for a proxy that is away.

    Args:
        host: the proxy's.
        port: the proxy's.
        away_seconds: how long to wait; then ``StorageAway`` is raised.
    """

    def __init__(self, *, host: str, port: int = PROXY_PORT, away_seconds: float) -> None:
        self.patience = _Patience(f"grpc://{host}:{port}", away_seconds)
        with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
            super().__init__(host=host, port=port)

    def _setup(self) -> None:
        self._channel = grpc.insecure_channel(f"{self._host}:{self._port}", options=CLIENT_OPTIONS)
        make_stub: Any = api_pb2_grpc.StorageServiceStub  # which has no types
        patient_channel = grpc.intercept_channel(self._channel, self.patience)
        self._stub = make_stub(patient_channel)
        self._cache = self._recent = _RecentTrials(self._stub)
        self._report = patient_channel.unary_unary(REPORTS_METHOD)

    def wait_for_answer(self) -> None:
        """Wait until the proxy answers, as long as any other call does."""
        with suppress(KeyError):  # which is an answer
            self.get_study_id_from_name("")

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        """Set a trial's state, as Optuna's client does; an end that a first, unanswered call has set is no error."""
        repeated = self.patience.repeated
        try:
            return super().set_trial_state_values(trial_id, state, values)
        except UpdateFinishedTrialError:
            trial = self.get_trial(trial_id)
            is_same = trial.state == state and list(trial.values or ()) == list(values or ())
            if self.patience.repeated > repeated and is_same:
                return True
            raise

    def set_trial_intermediate_values(self, trial_id: int, values: Mapping[int, float]) -> None:
        """Store values by their steps; in one call, where the proxy is our own.

        Raises:
            KeyError: there is no such trial.
            UpdateFinishedTrialError: it has ended.
        """
        try:
            self._report(json.dumps([trial_id, list(values.items())]).encode())
        except grpc.RpcError as error:
            code = error.code() if isinstance(error, grpc.Call) else None
            if code == grpc.StatusCode.UNIMPLEMENTED:
                for step, value in values.items():
                    self.set_trial_intermediate_value(trial_id, step, value)
                return
            raise {
                grpc.StatusCode.NOT_FOUND: KeyError(trial_id),
                grpc.StatusCode.FAILED_PRECONDITION: UpdateFinishedTrialError(f"trial {trial_id} has ended"),
            }.get(code, error) from error

    @contextmanager
    def reading_recent_trials(self, seconds: float) -> Iterator[None]:
        """Take the list of trials inside as it was so many seconds ago, if this process has read it then."""
        self._recent.max_age_seconds = seconds
        try:
            yield
        finally:
            self._recent.max_age_seconds = 0.0


def hurry(storage: BaseStorage) -> None:
    """Wait for a proxy that is away no longer than a process may that is to end."""
    if isinstance(storage, PatientProxy):
        storage.patience.seconds = min(storage.patience.seconds, HURRY_SECONDS)

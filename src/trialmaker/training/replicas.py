"""Processes that train one model together: their connection, and what they agree on."""

import faulthandler
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.compiler.xla.tsl.protobuf import coordination_config_pb2
from tensorflow.python.eager import context  # ``abort_collective_ops`` has no public name in 2.21

from trialmaker.errors import one_line
from trialmaker.platform.garbage_collection import postponed_garbage_collection

LOST_REPLICA_SECONDS = 20.0  # without a sign of life, until a replica counts as gone
ENDS_OF_COLLECTIVES = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)
ABORTED = "Collective ops is aborted by: "  # which each process adds that passes the error on
NODE = re.compile(r"\{\{[^}]*\}\}")
GENERAL_LINE = "Graph execution error:"  # which TensorFlow puts before what has happened in a graph
LINE_END = re.compile(r"\n|\\+n")  # an error that another one quotes has its ends of lines as escapes


class LostReplica(Exception):
    """The end of a collective whose peer is gone; the model's variables are in the middle of some call then."""


class Replicas:
    """The replicas of one training, each a process with the same program; this one among them.

    Every method but ``abort`` and ``part`` is a collective: it returns when all replicas have called it, in the same
    order among all collectives, and raises ``LostReplica`` where one of them is gone.

    Args:
        strategy: that of ``connect``.
        index: which replica this is, from 0; count: how many there are.

    Attributes:
        holds_several: whether this process has several of them, each on a device of its own.
    """

    holds_several = False

    def __init__(self, strategy: tf.distribute.Strategy, index: int, count: int) -> None:
        self.strategy, self.index, self.count = strategy, index, count
        self._sum_rows = tf.function(lambda rows: strategy.run(self.sum, (rows,)), autograph=False)

    @classmethod
    def connect(cls, addresses: Sequence[str], index: int, *, seconds: float = 15.0) -> "Replicas":
        """Return the replicas at these addresses, when all are there.

        It must come before anything else that TensorFlow computes in this process, even a constant.

        Args:
            addresses: ``host:port`` of each replica, in the same order everywhere; its process listens there.
            index: of this process, from 0.
            seconds: how long to wait for the others; twice that is needed to notice it.

        Raises:
            LostReplica: they were not all there by then. The first one may not come to know it: TensorFlow waits there
                with Python's lock held, so that no other thread runs and no signal is handled. Then the process ends,
                with exit code 1 and no word, after three times as long. So make sure before that all are there.
        """
        _configure_service(addresses, seconds)
        try:
            with _end_of_process(after=3 * seconds):
                return cls(_strategy(addresses, index), index, len(addresses))
        except tf.errors.OpError as error:
            raise LostReplica(_cause(error)) from error

    def scope(self) -> AbstractContextManager[object]:
        """Return the context in which a program's variables are made."""
        return nullcontext()

    def part(self, size: int) -> slice:
        """Return this replica's part of so many examples; the parts' sizes differ by at most one."""
        return slice(self.index * size // self.count, (self.index + 1) * size // self.count)

    def sum(self, value: tf.Tensor) -> tf.Tensor:
        """Return the sum over the replicas, the same bits on each; to be called inside ``strategy.run``."""
        here = tf.identity(value)  # a function's argument has no device, by which the strategy would go
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, here)

    def gather(self, values: Sequence[float]) -> np.ndarray:
        """Return every replica's values, float64 [count, len(values)], exactly."""
        rows = np.zeros((self.count, len(values)), np.float64)
        rows[self.index] = values
        with postponed_garbage_collection(), lost_replicas():
            return np.asarray(self._sum_rows(tf.constant(rows)))

    def slowest(self, seconds: float) -> float:
        """Return the longest time of all replicas."""
        return float(self.gather([seconds]).max())

    def agree(self, reason: str | None) -> str | None:
        """Return the reason of the first replica that has one; None where none has."""
        text = (reason or "").encode()
        sizes = self.gather([len(text)])[:, 0].astype(int)
        if not sizes.any():
            return None
        rows = self.gather([*text, *[0] * (max(sizes) - len(text))])
        first = int(np.argmax(sizes > 0))
        return bytes(rows[first, : sizes[first]].astype(np.uint8)).decode()

    def agreed(self, stop: Callable[[], str | None]) -> Callable[[], str | None]:
        """Return a function that asks every replica's ``stop``, and returns the same reason on each."""
        return lambda: self.agree(stop())

    def abort(self, reason: str) -> None:
        """End the collective that this process waits in, and all later ones, by ``LostReplica``; from any thread."""
        context.context().abort_collective_ops(tf.errors.UNAVAILABLE, reason)


def _strategy(addresses: Sequence[str], index: int) -> tf.distribute.Strategy:
    tasks = tf.train.ClusterSpec({"worker": list(addresses)})
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tasks, task_type="worker", task_id=index, rpc_layer="grpc"
    )
    implementation, gpus = (
        tf.distribute.experimental.CommunicationImplementation,
        tf.config.list_physical_devices("GPU"),
    )
    tf.config.set_visible_devices(gpus[:1], "GPU")  # the strategy would make a replica of each; plain training uses one
    options = tf.distribute.experimental.CommunicationOptions(
        implementation=implementation.AUTO if gpus else implementation.RING
    )
    return tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver, communication_options=options)


@contextmanager
def _end_of_process(*, after: float) -> Iterator[None]:
    """End this process, should what is inside take so many seconds; by a watchdog that needs no lock of Python's."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        faulthandler.dump_traceback_later(after, exit=True, file=nowhere)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()


def _configure_service(addresses: Sequence[str], seconds: float) -> None:
    """Choose the times of TensorFlow's own service, which the strategy would leave at an hour and more."""
    context.context().configure_coordination_service(
        service_type="standalone",
        service_leader="/job:worker/replica:0/task:0",
        coordinated_jobs=[coordination_config_pb2.CoordinatedJob(name="worker", num_tasks=len(addresses))],
        cluster_register_timeout_in_ms=int(1000 * seconds),
        heartbeat_timeout_in_ms=int(1000 * LOST_REPLICA_SECONDS),
    )


@contextmanager
def lost_replicas() -> Iterator[None]:
    """Raise ``LostReplica`` for an error by which TensorFlow ends a collective."""
    try:
        yield
    except tf.errors.OpError as error:
        if isinstance(error, ENDS_OF_COLLECTIVES) or ABORTED in error.message:
            raise LostReplica(_cause(error)) from error
        raise


def _cause(error: Any) -> str:
    """Return what TensorFlow says of the cause, in one line, without the places in the graph that it came through."""
    cause = error.message.rpartition(ABORTED)[2]
    texts = (NODE.sub("", text).strip() for text in LINE_END.split(cause))
    lines = [text for text in texts if text not in ("", GENERAL_LINE)]
    return one_line(lines[0] if lines else type(error).__name__)

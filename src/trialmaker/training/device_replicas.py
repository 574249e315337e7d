"""Replicas inside one process: one on each of its GPUs."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import lru_cache

import numpy as np
import tensorflow as tf

from trialmaker.training.replicas import Replicas


class DeviceReplicas(Replicas):
    """The replicas of a process by itself, one on each of several devices, with a copy of each variable there.

    Args:
        devices: their names as TensorFlow's, such as ``GPU:0``.
    """

    holds_several = True

    def __init__(self, devices: Sequence[str]) -> None:
        super().__init__(tf.distribute.MirroredStrategy(list(devices)), 0, len(devices))

    def scope(self) -> AbstractContextManager[object]:
        """Return the context in which variables are made, so that each device has a copy."""
        return self.strategy.scope()

    def part(self, size: int) -> slice:
        """Return the part of so many examples that the device has; outside of ``strategy.run`` all of them."""
        context = tf.distribute.get_replica_context()
        if context is None or context.strategy is not self.strategy:
            return slice(0, size)
        index = int(tf.get_static_value(context.replica_id_in_sync_group))
        return slice(index * size // self.count, (index + 1) * size // self.count)

    def gather(self, values: Sequence[float]) -> np.ndarray:
        """Return the process's values, float64 [1, len(values)]."""
        return np.array([values], np.float64)


@lru_cache(maxsize=1)  # compiled programs are kept for it
def gpu_replicas() -> DeviceReplicas | None:
    """Return a replica on each GPU that this process sees; None where there are fewer than two."""
    gpus = tf.config.list_logical_devices("GPU") if len(tf.config.list_physical_devices("GPU")) > 1 else []
    return DeviceReplicas([gpu.name for gpu in gpus]) if len(gpus) > 1 else None

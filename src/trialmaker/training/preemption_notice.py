"""SIGTERM that TensorFlow has taken, as 2.21 does while it connects processes: its handler replaces all others."""

import os
import signal
import threading
from collections.abc import Callable

import tensorflow as tf
from tensorflow.python.eager import context  # ``get_config_key_value`` has no public name in 2.21

NOTICE = "TF_DEFAULT_PREEMPTION_NOTICE_KEY"  # by which TensorFlow tells all processes; it looks once a second
NOTICE_SECONDS = 5.0  # from the signal, until the notice is there


def pass_on_signal(is_needed: Callable[[], bool]) -> None:
    """Give the signal, if TensorFlow has it, to this process' own handler, which must be in its place again.

    The other processes hear of it too. Nothing waits for that: it takes a second, on a thread.

    Args:
        is_needed: whether the process has none yet; to one that is ending already, it would be a second signal.
    """
    threading.Thread(target=_wait_for_notice, args=(is_needed,), daemon=True).start()


def _wait_for_notice(is_needed: Callable[[], bool]) -> None:
    try:
        context.context().get_config_key_value(NOTICE, timeout_in_ms=int(1000 * NOTICE_SECONDS))
    except tf.errors.OpError:  # there is none, or the processes are no longer connected
        return
    if is_needed():
        os.kill(os.getpid(), signal.SIGTERM)

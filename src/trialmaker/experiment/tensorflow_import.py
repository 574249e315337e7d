"""TensorFlow's import, made faster and silent."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trialmaker.platform import processor
from trialmaker.platform.garbage_collection import paused_garbage_collection
from trialmaker.platform.progress_bar import status

_own_error: list[int] = []  # while what is imported prints to a file: the descriptor of what that replaces


@contextmanager
def importing_tensorflow(directory: Path, *, is_shown: bool = True) -> Iterator[None]:
    """Import TensorFlow, and what imports it inside, fast and silently: it prints to ``tensorflow.log``.

    Only the first import in a process is treated so: what is frozen then is never collected.

    Args:
        directory: gets ``tensorflow.log``.
        is_shown: whether a terminal shows that it goes on.
    """
    if "tensorflow" in sys.modules:
        yield
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # what matters reaches Python as an exception
    os.environ |= processor.onednn_setting() | os.environ
    with (
        status("loading TensorFlow", is_shown=is_shown),
        _standard_error_to(directory / "tensorflow.log"),
        _hidden_packages("sklearn", "pandas", "matplotlib", "scipy"),
        paused_garbage_collection("tensorflow"),
    ):
        import tensorflow  # noqa: F401  # here, since what is imported inside may import it lazily, and later print

        yield


@contextmanager
def _standard_error_to(path: Path) -> Iterator[None]:
    """Send what is printed inside to a file: TensorFlow's greeting, which comes before its log level counts."""
    saved = os.dup(2)
    with path.open("ab") as file:
        os.dup2(file.fileno(), 2)
    _own_error.append(saved)
    try:
        yield
    finally:
        _own_error.remove(saved)
        os.dup2(saved, 2)
        os.close(saved)


def own_standard_error() -> int:
    """Return the descriptor of this process' own standard error, while what is imported prints to a file too."""
    return _own_error[-1] if _own_error else 2


@contextmanager
def _hidden_packages(*packages: str) -> Iterator[None]:
    """Let imports inside believe that these optional packages are not installed.

    Keras imports them for wrappers and drawings that nothing here uses: a third of TensorFlow's import time.
    """
    absent = [package for package in packages if package not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for package in absent:
            del sys.modules[package]


def is_fast_in_bfloat16() -> bool:
    """Return whether bfloat16 pays here: on a processor that computes in it, without a GPU, where nothing was measured.

    TensorFlow computes nothing for that.
    """
    import tensorflow as tf

    return processor.computes_in_bfloat16() and not tf.config.list_physical_devices("GPU")


def find_devices() -> list[str]:
    """Have TensorFlow look for its devices now, else its first operation does; return the names of this machine's."""
    import tensorflow as tf

    tf.constant(0)
    # with several instances there are those of the others too, each with its task's name before its own
    return sorted({device.name.rpartition("device:")[2] for device in tf.config.list_logical_devices()})

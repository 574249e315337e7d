"""TensorFlow's import, made faster and silent."""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def importing_tensorflow(directory: Path) -> Iterator[None]:
    """Make TensorFlow's import inside the context fast and silent: it prints to ``tensorflow.log`` in the directory.

    Only the first import in a process is treated so: what is frozen then is never collected.
    """
    if "tensorflow" in sys.modules:
        yield
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # what matters reaches Python as an exception
    with (
        _standard_error_to(directory / "tensorflow.log"),
        _hidden_packages("sklearn", "pandas"),
        _paused_garbage_collection(),
    ):
        yield


@contextmanager
def _standard_error_to(path: Path) -> Iterator[None]:
    """Send what is printed inside to a file: TensorFlow's greeting, which comes before its log level counts."""
    saved = os.dup(2)
    with path.open("ab") as file:
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


@contextmanager
def _paused_garbage_collection() -> Iterator[None]:
    """Have Python look for garbage neither inside nor, later, among the million objects that imports leave."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def _hidden_packages(*packages: str) -> Iterator[None]:
    """Let imports inside believe that these optional packages are not installed.

    Keras imports them for wrappers that nothing here uses: a fifth of TensorFlow's import time.
    """
    absent = [package for package in packages if package not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for package in absent:
            del sys.modules[package]


def find_devices() -> list[str]:
    """Have TensorFlow look for its devices now, else its first operation does; return their names."""
    import tensorflow as tf

    tf.constant(0)
    return [device.name.removeprefix("/device:") for device in tf.config.list_logical_devices()]

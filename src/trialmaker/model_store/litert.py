"""Conversion of a published model to LiteRT, which serves it without TensorFlow."""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import tensorflow as tf

from trialmaker.errors import first_line
from trialmaker.model_store.graph_check import check_graph
from trialmaker.model_store.literal_path import literal_path
from trialmaker.model_store.versions import LITERT_FILE
from trialmaker.platform.atomic_files import write_bytes
from trialmaker.platform.garbage_collection import postponed_garbage_collection

log = logging.getLogger(__name__)
REASON_CHARACTERS = 300  # of an error of the converter's


def compile_for_litert(version: Path) -> None:
    """Add the model in LiteRT's form to a version; takes a fifth of a second.

    A model that LiteRT cannot run is no error: the log says so, and TensorFlow will serve it.

    Args:
        version: a version's folder; no error where it has been removed meanwhile.
    """
    if (version / LITERT_FILE).exists():
        return
    try:
        program = _convert(version)
    except Exception as error:  # the converter's, of any type; the SavedModel is what counts
        reason = first_line(error, REASON_CHARACTERS)
        log.warning(f"{version}: LiteRT cannot have it, so that only TensorFlow can serve it: {reason}")
        return
    with suppress(FileNotFoundError):
        path = version / LITERT_FILE
        path.parent.mkdir(exist_ok=True)
        write_bytes(path, program)


@postponed_garbage_collection()
def _convert(version: Path) -> bytes:
    """Return a version in LiteRT's form.

    The converter runs the operations by which a SavedModel restores itself, whatever they are: so it gets what is
    loaded, of which it makes a copy without them.
    """
    check_graph(version)
    with literal_path(version) as source, _literal_temporary_folder():
        module = tf.saved_model.load(source)
        functions = list(module.signatures.values())
        return bytes(tf.lite.TFLiteConverter.from_concrete_functions(functions, module).convert())


@contextmanager
def _literal_temporary_folder() -> Iterator[None]:
    """Have the converter's copy lie where TensorFlow finds it."""
    former = tempfile.tempdir
    with literal_path(Path(tempfile.gettempdir())) as tempfile.tempdir:
        try:
            yield
        finally:
            tempfile.tempdir = former

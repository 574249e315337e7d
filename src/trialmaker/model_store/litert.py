"""Conversion of a published model to LiteRT, which serves it without TensorFlow."""

import logging
from contextlib import suppress
from pathlib import Path

import tensorflow as tf

from trialmaker.errors import first_line
from trialmaker.model_store.literal_path import literal_path
from trialmaker.model_store.versions import LITERT_FILE
from trialmaker.platform.atomic_files import write_bytes

log = logging.getLogger(__name__)
REASON_CHARACTERS = 300  # of an error of the converter's


def compile_for_litert(version: Path) -> None:
    """Add the model in LiteRT's form to a version; takes half a second.

    A model that LiteRT cannot run is no error: the log says so, and TensorFlow will serve it.

    Args:
        version: a version's folder; no error where it has been removed meanwhile.
    """
    if (version / LITERT_FILE).exists():
        return
    try:
        with literal_path(version) as source:
            program = tf.lite.TFLiteConverter.from_saved_model(source).convert()
    except Exception as error:  # the converter's, of any type; the SavedModel is what counts
        reason = first_line(error, REASON_CHARACTERS)
        log.warning(f"{version}: LiteRT cannot have it, so that TensorFlow will serve it: {reason}")
        return
    with suppress(FileNotFoundError):
        path = version / LITERT_FILE
        path.parent.mkdir(exist_ok=True)
        write_bytes(path, program)

"""The same model in LiteRT's form, which is served without TensorFlow."""

import logging
from contextlib import suppress
from pathlib import Path

import tensorflow as tf

from trialmaker.model_store.versions import BEST_FILE, CARD_FILE, LITERT_FILE, read_record
from trialmaker.platform.atomic_files import write_bytes

log = logging.getLogger(__name__)


def compile_for_litert(version: Path) -> None:
    """Add the same model in LiteRT's form, by which it is served without TensorFlow; half a second.

    Args:
        version: a published folder. One that has been taken away meanwhile is no error.
    """
    if (version / LITERT_FILE).exists():
        return
    try:
        program = tf.lite.TFLiteConverter.from_saved_model(str(version)).convert()
    except Exception as error:  # the converter's, of any type; the SavedModel is what counts
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        log.warning(f"{version}: LiteRT cannot have it, so that TensorFlow will serve it: {reason}")
        return
    with suppress(FileNotFoundError):
        path = version / LITERT_FILE
        path.parent.mkdir(exist_ok=True)
        write_bytes(path, program)
        best = version.parent / BEST_FILE
        if str(read_record(best).get("version")) == version.name:
            write_bytes(version / CARD_FILE, best.read_bytes())

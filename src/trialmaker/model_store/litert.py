"""The same model in LiteRT's form, which is served without TensorFlow."""

import json
import logging
from contextlib import suppress
from pathlib import Path

import tensorflow as tf

from trialmaker.platform.atomic_files import write_bytes

log = logging.getLogger(__name__)
LITERT_FILE = "assets.extra/model.tflite"  # where TensorFlow Serving looks for nothing


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
        best = version.parent / "best.json"
        number = int(version.name) if version.name.isdecimal() else 0
        if number and best.is_file() and json.loads(best.read_text(encoding="utf-8")).get("version") == number:
            write_bytes(path.with_name("card.json"), best.read_bytes())

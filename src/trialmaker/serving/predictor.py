"""A version, ready to answer: by LiteRT, which starts in a tenth of a second, or by TensorFlow."""

import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from trialmaker.errors import UserError
from trialmaker.model_store.versions import LITERT_FILE, Version

BATCH_IMAGES = 128  # images in one call: larger ones are no faster, and hold more memory
Shape = tuple[int, int, int]
Predict = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Model:
    """What the service needs of a model.

    Args:
        input_shape: (H, W, C) of one image.
        runtime: ``LiteRT`` or ``TensorFlow``.
        predict: from float32 [N, H, W, C] in [0, 1] to probabilities, float32 [N, K]; one thread at a time.
    """

    version: Version
    input_shape: Shape
    runtime: str
    predict: Predict

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.version.class_names

    @property
    def is_of_digits(self) -> bool:
        """Whether it knows light digits on dark ground, as MNIST's are."""
        return self.input_shape[2] == 1 and self.class_names == tuple("0123456789")


def load(version: Version) -> Model:
    """Load it, and have it answer once.

    Raises:
        UserError: its files are damaged, or are no classifier of images into its class names.
    """
    if (version.directory / LITERT_FILE).is_file():
        try:
            return _checked(version, "LiteRT", _litert)
        except UserError as error:
            print(f"{error}; TensorFlow serves it instead", file=sys.stderr, flush=True)
    return _checked(version, "TensorFlow", _tensorflow)


def _checked(version: Version, runtime: str, start: Callable[[Version], tuple[Shape, Predict]]) -> Model:
    try:
        with _silence():
            shape, predict = start(version)
            answer = predict(np.zeros((1, *shape), np.float32))
    except UserError:
        raise
    except Exception as error:  # of LiteRT's and TensorFlow's, which have no type of their own for damaged files
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"{version.directory}: {runtime} cannot load it as a model: {reason}") from error
    if answer.shape != (1, len(version.class_names)) or not math.isclose(float(answer.sum()), 1, abs_tol=1e-3):
        raise UserError(f"{version.directory}: answers with {answer.shape}, but has {len(version.class_names)} classes")
    return Model(version, shape, runtime, _in_parts(predict))


def _in_parts(predict: Predict) -> Predict:
    def whole(images: np.ndarray) -> np.ndarray:
        if len(images) <= BATCH_IMAGES:
            return predict(images)
        return np.concatenate([predict(images[at : at + BATCH_IMAGES]) for at in range(0, len(images), BATCH_IMAGES)])

    return whole


def _litert(version: Version) -> tuple[Shape, Predict]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(version.directory / LITERT_FILE), num_threads=1)
    run = interpreter.get_signature_runner("serving_default")
    _, height, width, channels = interpreter.get_input_details()[0]["shape_signature"]
    return (int(height), int(width), int(channels)), lambda images: run(images=images)["probabilities"]


def _tensorflow(version: Version) -> tuple[Shape, Predict]:
    from trialmaker.model_store import saved_model

    loaded = saved_model.load(version.directory)
    _, inputs = loaded.module.signatures["serving_default"].structured_input_signature
    _, height, width, channels = inputs["images"].shape
    return (height, width, channels), loaded.probabilities


@contextmanager
def _silence() -> Iterator[None]:
    """Both runtimes greet on standard error, past Python; what goes wrong is raised."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)

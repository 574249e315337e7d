"""A version that is ready to answer: by LiteRT, which starts in a tenth of a second, or by TensorFlow."""

import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np

from trialmaker.errors import UserError, one_line, printable
from trialmaker.model_store.batches import in_batches
from trialmaker.model_store.versions import LITERT_FILE, Version
from trialmaker.serving import trial_load

REASON_CHARACTERS = 300  # of a runtime's error
WAY_ON = "train it again, or run it with --allow-tensorflow if you trust who made it: it can do whatever you can"
Shape = tuple[int, int, int]
Predict = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Model:
    """A loaded model, as the service needs it.

    Args:
        version: the version that was loaded.
        input_shape: (H, W, C) of one image.
        runtime: ``LiteRT`` or ``TensorFlow``.
        predict: from images, float32 [N, H, W, C] in [0, 1], to probabilities, float32 [N, K]; called by one thread at
            a time.
    """

    version: Version
    input_shape: Shape
    runtime: str
    predict: Predict

    @property
    def class_names(self) -> tuple[str, ...]:
        """Return the class names, by label."""
        return self.version.class_names

    @property
    def is_handwriting_model(self) -> bool:
        """Return whether the model knows single characters, light on dark ground, as MNIST and its family have them.

        Of a person's own picture folders only digits count: how others are drawn, nobody knows.
        """
        is_of_characters = all(len(name) == 1 for name in self.class_names)
        is_published = self.class_names == tuple("0123456789") or self.version.card.get("data") != "images"
        return self.input_shape[2] == 1 and is_of_characters and is_published


def load(version: Version, *, allow_tensorflow: bool = False) -> Model:
    """Load a version, and have it answer once.

    Args:
        version: the version.
        allow_tensorflow: whether TensorFlow may run any SavedModel where LiteRT has no form of it, or a damaged one. A
            SavedModel is a program, which can read and write files; without this, one may do nothing but compute.

    Raises:
        UserError: its files are damaged, or are no classifier of images into its class names; or it is a program.
    """
    notice = ""
    if (version.directory / LITERT_FILE).is_file():
        try:
            trial_load.check(version)
            return start_litert_model(version)
        except UserError as error:
            notice = f"{printable(str(error))}; TensorFlow serves it instead"
    model = _load_with(partial(_start_tensorflow, is_trusted=allow_tensorflow), "TensorFlow", version)
    if notice:
        print(notice, file=sys.stderr, flush=True)
    return model


def start_litert_model(version: Version) -> Model:
    """Load a version with LiteRT, and have it answer once; raise as ``load`` does."""
    return _load_with(_start_litert, "LiteRT", version)


def load_while_serving(version: Version) -> Model:
    """Load a version as ``load`` does, but by LiteRT alone: TensorFlow's import would stop the answers for seconds.

    Raises:
        UserError: it cannot be loaded so.
    """
    if not (version.directory / LITERT_FILE).is_file():
        law = "without which a service that runs does not take it up; predict.py anew may"
        raise UserError(f"{version.directory}: has no {LITERT_FILE}, {law}")
    trial_load.check(version)
    return start_litert_model(version)


def _load_with(start: Callable[[Version], tuple[Shape, Predict]], runtime: str, version: Version) -> Model:
    try:
        with _silenced_stderr():
            shape, predict = start(version)
            probabilities = predict(np.zeros((1, *shape), np.float32))
    except UserError:
        raise
    except Exception as error:  # of LiteRT's and TensorFlow's, which have no type of their own for damaged files
        raise UserError(
            f"{version.directory}: {runtime} cannot load it as a model: {one_line(error, REASON_CHARACTERS)}"
        ) from error
    classes = len(version.class_names)
    if probabilities.shape != (1, classes) or not math.isclose(float(probabilities.sum()), 1, abs_tol=1e-3):
        raise UserError(f"{version.directory}: answers with {probabilities.shape}, but has {classes} classes")
    return Model(version, shape, runtime, lambda images: in_batches(predict, images))


def _start_litert(version: Version) -> tuple[Shape, Predict]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(version.directory / LITERT_FILE), num_threads=1)
    run = interpreter.get_signature_runner("serving_default")
    _, height, width, channels = interpreter.get_input_details()[0]["shape_signature"]
    return (int(height), int(width), int(channels)), lambda images: run(images=images)["probabilities"]


def _start_tensorflow(version: Version, *, is_trusted: bool) -> tuple[Shape, Predict]:
    from trialmaker.model_store import graph_check, saved_model

    try:
        model = saved_model.load(version.directory, is_trusted=is_trusted)
    except graph_check.GraphError as error:
        raise UserError(f"{error}; {WAY_ON}") from None
    _, inputs = model.module.signatures["serving_default"].structured_input_signature
    _, height, width, channels = inputs["images"].shape
    return (height, width, channels), model.probabilities


@contextmanager
def _silenced_stderr() -> Iterator[None]:
    """Discard what both runtimes print on standard error, past Python; what goes wrong is raised."""
    stderr, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(null)

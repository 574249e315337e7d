"""The deployable model, both ends of its format: export, publish as the best so far, load.

A version is a folder ``<directory>/<N>/``: a SavedModel whose signature takes ``images`` (float32 [N, H, W, C], 0 to 1)
to ``probabilities`` (float32 [N, K]) and ``classes`` (int64 [N]), with ``assets/class_names.json``. It is written under
a hidden name and renamed, so that a number never names half a model. ``<directory>/best.json`` says which is best.
"""

import fcntl
import json
import logging
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from trialmaker.errors import UserError
from trialmaker.platform.atomic_files import write_bytes, write_text
from trialmaker.training.objective import Objective

log = logging.getLogger(__name__)
CLASS_NAMES = "class_names.json"
LITERT = "assets.extra/model.tflite"  # where TensorFlow Serving looks for nothing


@dataclass(frozen=True)
class Card:
    """What ``best.json`` says of a version.

    Args:
        run_id: MLflow's id of the run that trained it.
        model: the architecture's name; data: the data set's name; data_digest: of its examples.
        metrics: those of its epoch; the test metrics join them when the run ends.
        version: its folder's number; 0 before it is published.
    """

    run_id: str
    model: str
    data: str
    data_digest: str
    objective: str
    direction: str
    epoch: int
    metrics: Mapping[str, float]
    version: int = 0

    def beats(self, other: "Card | None") -> bool:
        """Whether it takes the other's place: better by the objective, or not comparable and newer."""
        if other is None or (self.data_digest, self.objective) != (other.data_digest, other.objective):
            return True
        return Objective(self.objective, self.direction).is_better(self.metrics, other.metrics)


class Exportable(tf.Module):
    """A model as it is deployed: from images to probabilities, with its class names.

    Args:
        model: from images to logits. Its weights may change between exports.
        class_names: by label.
    """

    def __init__(self, model: keras.Model, class_names: Sequence[str]) -> None:
        super().__init__()
        spec = tf.TensorSpec([None, *model.input_shape[1:]], tf.float32, name="images")
        self.ordered_weights = [weight.value for weight in model.weights]
        self.probabilities = tf.function(
            lambda images: tf.nn.softmax(model(images, training=False)), input_signature=[spec]
        )
        self.__call__ = self.probabilities  # what makes the loaded object callable, as MLflow expects
        self.answer = tf.function(self._answer, input_signature=[spec])
        self.class_names_text = json.dumps(list(class_names), ensure_ascii=False)

    def _answer(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        probabilities = self.probabilities(images)
        return {"probabilities": probabilities, "classes": tf.argmax(probabilities, axis=-1)}

    def export(self, directory: Path) -> None:
        """Write a SavedModel."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, CLASS_NAMES)
            path.write_text(self.class_names_text, encoding="utf-8")
            self.class_names = tf.saved_model.Asset(str(path))
            tf.saved_model.save(self, str(directory), signatures={"serving_default": self.answer})


def publish(exportable: Exportable, card: Card, directory: Path, *, replaces: int = 0) -> Card:
    """Make the model the best version, if it beats the one that is.

    Args:
        directory: of the versions; ``prepare`` makes it. Several processes may publish there at once.
        replaces: a version of the same run that is then removed; 0 for none.

    Returns:
        the card of what is best now: this one with its version, or that of the model it did not beat.
    """
    best = read_best(directory)
    if best and not card.beats(best):
        return best
    hidden = directory / f".{uuid.uuid4().hex}"
    try:
        exportable.export(hidden)
        with _locked(directory):
            best = read_best(directory)
            if best and not card.beats(best):
                return best
            card = replace(card, version=max(versions(directory), default=0) + 1)
            hidden.rename(directory / str(card.version))
            write_best(card, directory)
            if replaces:
                (directory / str(replaces)).rename(hidden)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
    return card


def compile_for_litert(version: Path) -> None:
    """Add the same model in LiteRT's form, by which it is served without TensorFlow; half a second.

    Args:
        version: a published folder. One that has been taken away meanwhile is no error.
    """
    if (version / LITERT).exists():
        return
    try:
        program = tf.lite.TFLiteConverter.from_saved_model(str(version)).convert()
    except Exception as error:  # the converter's, of any type; the SavedModel is what counts
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        log.warning(f"{version}: LiteRT cannot have it, so that TensorFlow will serve it: {reason}")
        return
    with suppress(FileNotFoundError):
        path = version / LITERT
        path.parent.mkdir(exist_ok=True)
        write_bytes(path, program)
        best = version.parent / "best.json"
        number = int(version.name) if version.name.isdecimal() else 0
        if number and best.is_file() and json.loads(best.read_text(encoding="utf-8")).get("version") == number:
            write_bytes(path.with_name("card.json"), best.read_bytes())


def versions(directory: Path) -> list[int]:
    """The numbers of the versions that lie there, ascending."""
    return sorted(int(path.name) for path in directory.iterdir() if path.name.isdecimal() and path.is_dir())


def read_best(directory: Path) -> Card | None:
    """The card of the best version; None where there is none, or its folder is gone."""
    path = directory / "best.json"
    try:
        card = Card(**json.loads(path.read_text(encoding="utf-8")))
        float(card.metrics[card.objective]), float(card.metrics["val_loss"])
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, LookupError, OSError) as error:
        raise UserError(f"{path}: is not the record of a best model ({error}): remove it or restore it") from error
    return card if (directory / str(card.version)).is_dir() else None


def add_metrics(card: Card, metrics: Mapping[str, float], directory: Path) -> None:
    """Add metrics to the record of the best version, if that is still ``card``."""
    with _locked(directory):
        if card == read_best(directory):
            write_best(replace(card, metrics={**card.metrics, **metrics}), directory)


def prepare(directory: Path) -> None:
    """Make the directory of versions, and clear away what killed processes left half-written there an hour ago.

    Raises:
        UserError: its record of the best cannot be read.
    """
    directory.mkdir(parents=True, exist_ok=True)
    read_best(directory)
    for hidden in directory.glob(".*/"):
        if time.time() - hidden.stat().st_mtime > 3600:
            shutil.rmtree(hidden, ignore_errors=True)


def write_best(card: Card, directory: Path) -> None:
    """Write ``best.json`` at once and whole."""
    write_text(directory / "best.json", json.dumps(asdict(card), indent=2) + "\n")


@dataclass(frozen=True)
class Loaded:
    """A version, ready to answer."""

    class_names: tuple[str, ...]
    module: tf.Module

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """From images, float32 [N, H, W, C] in [0, 1], to float32 [N, K]."""
        answers = self.module.signatures["serving_default"](images=tf.constant(images, tf.float32))
        return np.asarray(answers["probabilities"])


def load(version: Path) -> Loaded:
    """Load a version's folder.

    Raises:
        UserError: it holds no SavedModel of this project's.
    """
    names = version / "assets" / CLASS_NAMES
    if not (version / "saved_model.pb").is_file() or not names.is_file():
        raise UserError(f"{version}: is not a published model; expected saved_model.pb and assets/{CLASS_NAMES} in it")
    return Loaded(tuple(json.loads(names.read_text(encoding="utf-8"))), tf.saved_model.load(str(version)))


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    with (directory / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

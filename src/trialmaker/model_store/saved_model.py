"""The deployable SavedModel, both ends of its format: export and load."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from trialmaker.errors import UserError
from trialmaker.model_store.versions import CLASS_NAMES_FILE


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
            path = Path(folder, Path(CLASS_NAMES_FILE).name)
            path.write_text(self.class_names_text, encoding="utf-8")
            self.class_names = tf.saved_model.Asset(str(path))
            tf.saved_model.save(self, str(directory), signatures={"serving_default": self.answer})


@dataclass(frozen=True)
class LoadedModel:
    """A version, ready to answer."""

    class_names: tuple[str, ...]
    module: tf.Module

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """From images, float32 [N, H, W, C] in [0, 1], to float32 [N, K]."""
        answers = self.module.signatures["serving_default"](images=tf.constant(images, tf.float32))
        return np.asarray(answers["probabilities"])


def load(version: Path) -> LoadedModel:
    """Load a version's folder.

    Raises:
        UserError: it holds no SavedModel of this project's.
    """
    names = version / CLASS_NAMES_FILE
    if not (version / "saved_model.pb").is_file() or not names.is_file():
        raise UserError(f"{version}: is not a published model; expected saved_model.pb and {CLASS_NAMES_FILE} in it")
    return LoadedModel(tuple(json.loads(names.read_text(encoding="utf-8"))), tf.saved_model.load(str(version)))

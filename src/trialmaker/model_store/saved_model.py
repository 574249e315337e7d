"""Export and loading of the deployable SavedModel."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from trialmaker.errors import UserError
from trialmaker.model_store.graph_check import check_graph
from trialmaker.model_store.literal_path import literal_path
from trialmaker.model_store.versions import CLASS_NAMES_FILE, read_class_names
from trialmaker.platform.garbage_collection import postponed_garbage_collection


class Exportable(tf.Module):
    """A model as it is deployed: from images to probabilities and classes, with its class names.

    The names of the attributes are part of the format: ``initial_weights`` finds ``ordered_weights`` by its name.

    Args:
        model: from images, float32 [N, H, W, C], to logits, float32 [N, K]; its weights may change between exports.
        class_names: the class names, by label.
    """

    def __init__(self, model: keras.Model, class_names: Sequence[str]) -> None:
        super().__init__()
        spec = tf.TensorSpec([None, *model.input_shape[1:]], tf.float32, name="images")
        self.ordered_weights = [weight.value for weight in model.weights]
        self.probabilities = tf.function(
            lambda images: tf.nn.softmax(model(images, training=False)), input_signature=[spec]
        )
        self.__call__ = self.probabilities  # makes the loaded object callable, as MLflow expects
        self.answer = tf.function(self._answer, input_signature=[spec])
        self.class_names_text = json.dumps(list(class_names), ensure_ascii=False)

    def _answer(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        probabilities = self.probabilities(images)
        return {"probabilities": probabilities, "classes": tf.argmax(probabilities, axis=-1)}

    @postponed_garbage_collection()
    def export(self, directory: Path) -> None:
        """Write the SavedModel into a folder, which is made if it does not exist."""
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder, literal_path(directory) as target:
            path = Path(folder, Path(CLASS_NAMES_FILE).name)
            path.write_text(self.class_names_text, encoding="utf-8")
            self.class_names = tf.saved_model.Asset(str(path))
            tf.saved_model.save(self, target, signatures={"serving_default": self.answer})


@dataclass(frozen=True)
class LoadedModel:
    """A version that is ready to answer.

    Args:
        class_names: by label.
        module: what TensorFlow loaded.
    """

    class_names: tuple[str, ...]
    module: tf.Module

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Return the probabilities, float32 [N, K], for images, float32 [N, H, W, C] in [0, 1]."""
        answers = self.module.signatures["serving_default"](images=tf.constant(images, tf.float32))
        return np.asarray(answers["probabilities"])


@postponed_garbage_collection()
def load(version: Path, *, is_trusted: bool = False) -> LoadedModel:
    """Load a version's folder.

    Args:
        version: the folder.
        is_trusted: whether its graph may hold operations that do more than compute.

    Raises:
        UserError: it holds no SavedModel that this project published; or one that is not trusted and does more.
    """
    names = version / CLASS_NAMES_FILE
    if not (version / "saved_model.pb").is_file() or not names.is_file():
        raise UserError(f"{version}: is not a published model; expected saved_model.pb and {CLASS_NAMES_FILE} in it")
    if not is_trusted:
        check_graph(version)
    with literal_path(version) as path:
        module = tf.saved_model.load(path)
    return LoadedModel(read_class_names(names), module)

"""A model in service."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from trialmaker.model_store.batches import MAX_IMAGES_PER_CALL
from trialmaker.serving.batching import Batcher
from trialmaker.serving.predictor import Model


@dataclass(frozen=True)
class ServedModel(Model):
    """A model with the batches of its requests: those that began with it end with it, whatever is served since.

    Args:
        batcher: calls the model.
    """

    batcher: Batcher

    def description(self, name: str, *, inverts: bool) -> dict[str, Any]:
        """Return what the page shows of the model.

        Args:
            name: where its record has none.
            inverts: whether dark strokes on light paper are inverted for a model of handwriting.
        """
        return {
            "name": str(self.version.card.get("model", name)),
            "version": self.version.number,
            "data": self.version.card.get("data"),
            "metrics": dict(self.version.metrics),
            "class_names": list(self.class_names),
            "input_shape": list(self.input_shape),
            "handwriting": self.is_handwriting_model,
            "inverts": inverts and self.is_handwriting_model,
        }


def served(model: Model, max_waiting: int, observe: Callable[[int], object]) -> ServedModel:
    """Return a model with batches of its own.

    Args:
        model: a model that has answered once.
        max_waiting: images that may wait for it.
        observe: called with the number of images of each call.
    """
    batcher = Batcher(model.predict, max_images=MAX_IMAGES_PER_CALL, max_queued=max_waiting, observe=observe)
    return ServedModel(**vars(model), batcher=batcher)

"""A model in service."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from trialmaker.model_store.batches import MAX_IMAGES_PER_CALL
from trialmaker.serving.batching import Batcher
from trialmaker.serving.decoder_pool import DecoderPool
from trialmaker.serving.predictor import Model
from trialmaker.serving.request_decoding import RequestDecoder
from trialmaker.serving.settings import Settings


@dataclass(frozen=True)
class ServedModel(Model):
    """A model with the decoding and the batches of its requests, which end with the model that they began with.

    Args:
        decoder: makes images of requests.
        batcher: calls the model.
    """

    decoder: RequestDecoder
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


def served(model: Model, settings: Settings, pool: DecoderPool, observe: Callable[[int], object]) -> ServedModel:
    """Return a model with batches of its own.

    Args:
        model: a model that has answered once.
        settings: the service's.
        pool: the processes that decode, whatever is served.
        observe: called with the number of images of each call.
    """
    batcher = Batcher(model.predict, max_images=MAX_IMAGES_PER_CALL, max_queued=settings.max_waiting, observe=observe)
    return ServedModel(**vars(model), decoder=RequestDecoder(settings, model, pool), batcher=batcher)

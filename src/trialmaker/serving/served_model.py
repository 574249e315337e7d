"""A model in service."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from trialmaker.model_store.batches import MAX_IMAGES_PER_CALL
from trialmaker.serving import picture_header
from trialmaker.serving.batching import Batcher
from trialmaker.serving.decoder_pool import DecoderPool
from trialmaker.serving.predictor import Model
from trialmaker.serving.request_decoding import RequestDecoder
from trialmaker.serving.settings import Settings

Pools = dict[tuple[int, int], DecoderPool]  # by the pixels of a picture, and the values of an image


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


def served(model: Model, settings: Settings, pools: Pools, observe: Callable[[int], object]) -> ServedModel:
    """Return a model with batches of its own.

    Args:
        model: a model that has answered once.
        settings: the service's.
        pools: the processes that decode, by their limits; models of one size share them.
        observe: called with the number of images of each call.
    """
    max_pixels = settings.max_pixels or picture_header.default_max_pixels(model.input_shape)
    limits = max_pixels, math.prod(model.input_shape)
    pool = pools[limits] = pools.get(limits) or DecoderPool(*limits)
    batcher = Batcher(model.predict, max_images=MAX_IMAGES_PER_CALL, max_queued=settings.max_waiting, observe=observe)
    return ServedModel(**vars(model), decoder=RequestDecoder(settings, model, max_pixels, pool), batcher=batcher)

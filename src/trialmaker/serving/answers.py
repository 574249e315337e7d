"""Answers as JSON."""

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
from starlette.responses import Response

from trialmaker.serving.predictor import Model

QUICK_ROWS = 32  # of an answer that is encoded on the event loop


class JSONAnswer(Response):
    """An answer of status 200 whose JSON is encoded; Starlette's own class takes several times as long to begin."""

    def __init__(self, body: bytes) -> None:
        self.body, self.status_code, self.background = body, 200, None
        self.raw_headers = [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json")]


async def encode(encode_rows: Callable[[], bytes], rows: int) -> Response:
    """Return the answer that ``encode_rows`` returns; on a thread where it has many rows."""
    return JSONAnswer(encode_rows() if rows <= QUICK_ROWS else await asyncio.to_thread(encode_rows))


def platform_answer(model: Model, probabilities: np.ndarray, is_batch: bool) -> bytes:
    """Return the platform's JSON for the probabilities of one image, or of a batch: float32 [N, K]."""
    rows = [labelled(model, row) for row in probabilities.tolist()]
    return orjson.dumps({"success": True, "predictions": rows if is_batch else rows[0]})


def labelled(model: Model, probabilities: list[float]) -> list[dict[str, Any]]:
    """Return the probabilities of an image with their labels, in the order of the classes."""
    return [
        {"label": label, "probability": value} for label, value in zip(model.class_names, probabilities, strict=True)
    ]


def json_answer(content: Any) -> Response:
    """Return an answer with what orjson encodes."""
    return JSONAnswer(orjson.dumps(content))

"""What is decoded from a body, and as what: the same steps in this process and in a decoder's."""

import base64
import io
import json
from dataclasses import asdict, dataclass

import numpy as np

from trialmaker.serving import decoding, tensorflow_serving
from trialmaker.serving.errors import HTTPError


@dataclass(frozen=True)
class DecodeTask:
    """How to decode a body.

    Args:
        form: ``numbers``, the platform's JSON; ``rows``, TensorFlow Serving's; ``picture``, a PNG or JPEG file.
        shape: (H, W, C) of an image.
        max_pixels: of a picture.
        light_on_dark: invert a picture of dark strokes on light paper.
        with_preview: the body must be one image, and its ``data:`` URL is wanted.
        max_plain_pixels: of a picture that is simple to decode, where that is more.
    """

    form: str
    shape: decoding.Shape
    max_pixels: int
    light_on_dark: bool = False
    with_preview: bool = False
    max_plain_pixels: int = 0

    def to_json(self) -> str:
        """Return the task on one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> "DecodeTask":
        """Return the task that ``to_json`` wrote."""
        fields = json.loads(line)
        height, width, channels = fields.pop("shape")
        return cls(shape=(height, width, channels), **fields)


@dataclass(frozen=True)
class Decoded:
    """A decoded body.

    Args:
        images: float32 [N, H, W, C].
        form: what the form of the answer depends on: whether they came as a batch, or by rows.
        preview: the ``data:`` URL of the one image; "" where it isn't wanted.
    """

    images: np.ndarray
    form: bool
    preview: str = ""


def run(task: DecodeTask, body: bytes) -> Decoded:
    """Decode a body.

    Raises:
        HTTPError: 400, 413.
    """
    if task.form == "picture":
        limits = {"max_pixels": task.max_pixels, "max_plain_pixels": task.max_plain_pixels}
        images = decoding.decode_picture(body, task.shape, **limits, light_on_dark=task.light_on_dark)
        form = False
    elif task.form == "rows":
        images, form = tensorflow_serving.decode_request(body, task.shape)
    else:
        images, form = decoding.decode_platform_request(body, task.shape)
    if not task.with_preview:
        return Decoded(images, form)
    if len(images) != 1:
        raise HTTPError(400, f"image: must be one image here, but got {len(images)}")
    return Decoded(images, form, data_url(images[0]))


def data_url(image: np.ndarray) -> str:
    """Return an image, float32 [H, W, C] in [0, 1], as the ``data:`` URL of a PNG file."""
    from PIL import Image

    pixels = (image.clip(0, 1) * 255).round().astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels.squeeze(axis=2) if image.shape[2] == 1 else pixels).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"

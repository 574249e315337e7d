"""From what a caller sends to images, float32 [N, H, W, C] in [0, 1]."""

import io
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import orjson

from trialmaker.data import image_decoding
from trialmaker.errors import UserError
from trialmaker.serving.errors import HTTPError

Shape = tuple[int, int, int]
DEEPEST = 4  # dimensions of a batch
SLACK = 1e-3  # what interpolation may leave outside of 0 to 1


def parse(body: bytes) -> dict[str, Any]:
    """A JSON object.

    Raises:
        Refused: it is none; NaN and Infinity are none either.
    """
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise HTTPError(400, f"the body must be JSON (NaN and Infinity are not), but {error}") from None
    if not isinstance(found, dict):
        raise HTTPError(400, f'the body must be a JSON object such as {{"image": […]}}, but is {_kind(found)}')
    return found


def platforms(body: bytes, shape: Shape) -> tuple[np.ndarray, bool]:
    """The images of a request in the platform's JSON, and whether they were a batch.

    Raises:
        Refused: there are none.
    """
    asked = parse(body)
    if "image" not in asked:
        raise HTTPError(400, f'expected {{"image": […]}}, found {", ".join(asked) or "an empty object"}')
    found, is_batch = images(asked["image"], shape)
    return in_range(found), is_batch


def images(value: Any, shape: Shape, name: str = "image") -> tuple[np.ndarray, bool]:
    """Numbers, flat or nested, as images; and whether they were a batch.

    Args:
        value: of one image [H*W*C], [H, W, C] or, with one channel, [H, W]; or a list of such.
        shape: (H, W, C).
        name: of the field, for messages.

    Raises:
        Refused: other lengths, types, or numbers that are not finite.
    """
    dimensions, numbers = _flattened(value, name)
    height, width, channels = shape
    forms = [(height * width * channels,), shape, *([(height, width)] if channels == 1 else [])]
    is_one = tuple(dimensions) in forms
    if not is_one and tuple(dimensions[1:]) not in forms:
        raise HTTPError(400, f"{name}: {_expected(shape)}, but got {'x'.join(map(str, dimensions))}")
    with np.errstate(over="ignore"):
        array = np.array(numbers, dtype=np.float32)
    if not np.isfinite(array).all():
        raise HTTPError(400, f"{name}: every number must be finite and within 32-bit floats")
    return array.reshape(-1, *shape), not is_one


def in_range(found: np.ndarray) -> np.ndarray:
    """Images whose every value lies in [0, 1].

    Raises:
        Refused: they do not.
    """
    low, high = float(found.min()), float(found.max())
    if low < -SLACK or high > 1 + SLACK:
        far = low if low < -SLACK else high
        hint = "; divide pixels of 0 to 255 by 255" if high > 2 else ""
        raise HTTPError(400, f"image: every number must lie in 0 to 1, but got {far:g}{hint}")
    return found


def picture(raw: bytes, shape: Shape, *, most_pixels: int, light_on_dark: bool) -> np.ndarray:
    """A PNG or JPEG, brought to the size as training does with pictures in class folders.

    Args:
        light_on_dark: turn dark strokes on light paper round, as the model knows them: where the border is light.

    Returns:
        float32 [1, H, W, C].

    Raises:
        Refused: it is none, or is damaged or has more pixels than ``most_pixels``.
    """
    _check_pixels(raw, most_pixels)
    try:
        pixels = image_decoding.decode(raw, image_size=shape[:2], channels=shape[2])
    except UserError as error:
        raise HTTPError(400, f"image: {error}") from None
    if light_on_dark and _border(pixels).mean() > 127:
        pixels = 255 - pixels
    return (pixels.astype(np.float32) / 255)[np.newaxis]


def _check_pixels(raw: bytes, most: int) -> None:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(raw), formats=image_decoding.FORMATS) as opened:
            width, height = opened.size
    except Exception:  # what is wrong with it, decoding says
        return
    if width * height > most:
        raise HTTPError(413, f"image: must have at most {most:,} pixels, but has {width}x{height}")


def _border(pixels: np.ndarray) -> np.ndarray:
    return np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])


def _flattened(value: Any, name: str) -> tuple[list[int], Sequence[Any]]:
    """The lengths of nested lists, and their numbers."""
    if type(value) is not list:
        raise HTTPError(400, f"{name}: must be a list of numbers, but is {_kind(value)}")
    lengths, level = [len(value)], value
    while level and type(level[0]) is list:
        length = len(level[0])
        if len(lengths) == DEEPEST or any(type(row) is not list or len(row) != length for row in level):
            law = "lists must be nested at most 4 deep, those of one depth with the same length"
            raise HTTPError(400, f"{name}: {law}")
        level = list(chain.from_iterable(level))
        lengths.append(length)
    for kind in set(map(type, level)) - {float, int}:
        wrong = next(item for item in level if type(item) is kind)
        raise HTTPError(400, f"{name}: must hold numbers only, but holds {_kind(wrong)}")
    return lengths, level


def _expected(shape: Shape) -> str:
    height, width, channels = shape
    return f"expected {height * width * channels} numbers, or {height}x{width}x{channels}, or a list of such images"


def _kind(value: Any) -> str:
    names = {str: "a text", bool: "true or false", type(None): "null", dict: "an object", list: "a list"}
    return names.get(type(value), "a number")

"""Decoding of requests into images, float32 [N, H, W, C] in [0, 1]."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
import orjson

from trialmaker.data import image_decoding
from trialmaker.errors import UserError
from trialmaker.serving import picture_header, picture_stripping
from trialmaker.serving.errors import HTTPError
from trialmaker.serving.flat_numbers import RANGE_TOLERANCE
from trialmaker.serving.picture_header import PictureHeader

Shape = tuple[int, int, int]
MAX_DIMENSIONS = 4  # of a batch


def parse_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object that a body is.

    Raises:
        HTTPError: 400, it is none; NaN and Infinity are no JSON either.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise HTTPError(400, f"the body must be JSON (NaN and Infinity are not), but {error}") from None
    if not isinstance(value, dict):
        raise HTTPError(400, f'the body must be a JSON object such as {{"image": […]}}, but is {_type_name(value)}')
    return value


def decode_platform_request(body: bytes, shape: Shape) -> tuple[np.ndarray, bool]:
    """Decode a request in the platform's JSON.

    Returns:
        images, float32 [N, H, W, C] in [0, 1]; and whether they were sent as a batch.

    Raises:
        HTTPError: 400, there are none of this shape.
    """
    fields = parse_object(body)
    if "image" not in fields:
        raise HTTPError(400, f'expected {{"image": […]}}, found {", ".join(fields) or "an empty object"}')
    images, is_batch = decode_numbers(fields["image"], shape)
    check_range(images)
    return images, is_batch


def decode_numbers(value: Any, shape: Shape, name: str = "image") -> tuple[np.ndarray, bool]:
    """Decode numbers, flat or nested, as images.

    Args:
        value: one image, [H*W*C], [H, W, C] or, with one channel, [H, W]; or a list of such images.
        shape: (H, W, C).
        name: the field's, for messages.

    Returns:
        images, float32 [N, H, W, C]; and whether ``value`` is a list of images.

    Raises:
        HTTPError: 400, other lengths, types, or numbers that are not finite.
    """
    dimensions, numbers = _flatten(value, name)
    height, width, channels = shape
    image_forms = [(height * width * channels,), shape, *([(height, width)] if channels == 1 else [])]
    is_batch = tuple(dimensions) not in image_forms
    if is_batch and tuple(dimensions[1:]) not in image_forms:
        raise HTTPError(400, f"{name}: {_expectation(shape)}, but got {'x'.join(map(str, dimensions))}")
    with np.errstate(over="ignore"):
        array = np.array(numbers, dtype=np.float32)
    if not np.isfinite(array).all():
        raise HTTPError(400, f"{name}: every number must be finite and within 32-bit floats")
    return array.reshape(-1, *shape), is_batch


def check_range(images: np.ndarray) -> None:
    """Check that every value of some images lies in [0, 1], within ``RANGE_TOLERANCE``.

    Raises:
        HTTPError: 400, one does not.
    """
    low, high = float(images.min()), float(images.max())
    if low < -RANGE_TOLERANCE or high > 1 + RANGE_TOLERANCE:
        outlier = low if low < -RANGE_TOLERANCE else high
        hint = "; divide pixels of 0 to 255 by 255" if high > 2 else ""
        raise HTTPError(400, f"image: every number must lie in 0 to 1, but got {outlier:g}{hint}")


def decode_picture(
    raw: bytes, shape: Shape, *, max_pixels: int, max_plain_pixels: int = 0, light_on_dark: bool
) -> np.ndarray:
    """Decode a PNG or JPEG file, and resize it as training does with pictures in class folders.

    Args:
        raw: the file's content.
        shape: (H, W, C) of the result.
        max_pixels: largest number of pixels that is decoded.
        max_plain_pixels: as ``picture_header.check``.
        light_on_dark: invert dark strokes on light paper, as the model knows them: where the border is light.

    Returns:
        float32 [1, H, W, C] in [0, 1].

    Raises:
        HTTPError: 400, it is no such file, or a damaged one; 413, as ``picture_header.check``.
    """
    header, raw = prepare_picture(raw, shape, max_pixels, max_plain_pixels)
    size = (header.width, header.height)  # Pillow may read another one
    try:
        pixels = image_decoding.decode(raw, image_size=shape[:2], channels=shape[2], source_size=size)
    except UserError as error:
        if isinstance(error.__context__, MemoryError):
            raise HTTPError(413, "image: takes more memory than a picture may; send a smaller one") from None
        raise HTTPError(400, f"image: {error}") from None
    if light_on_dark and _border(pixels).mean() > 127:
        pixels = 255 - pixels
    return (pixels.astype(np.float32) / 255)[np.newaxis]


def prepare_picture(
    raw: bytes, shape: Shape, max_pixels: int, max_plain_pixels: int = 0
) -> tuple[PictureHeader, bytes]:
    """Check by its head that a picture may be decoded.

    Returns:
        the head; and the file without what does not change what is seen of it.

    Raises:
        HTTPError: 400, it has none; 413, as ``picture_header.check``.
    """
    if header := picture_header.read(raw):
        picture_header.check(header, shape, max_pixels, max_plain_pixels)
        stripped = picture_stripping.strip(raw)
        header = replace(header, size=len(stripped))
        picture_header.check_size(header)
        return header, stripped
    if raw.startswith(picture_header.FILE_STARTS):
        raise HTTPError(400, "image: the picture: expected a whole picture, found a damaged one: it has no whole head")
    hint = "; save a HEIC or AVIF photo as JPEG first" if raw[4:8] == b"ftyp" else ""
    raise HTTPError(400, f"image: the picture: expected a JPEG or PNG picture, found something else{hint}")


def _border(pixels: np.ndarray) -> np.ndarray:
    return np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])


def _flatten(value: Any, name: str) -> tuple[list[int], Sequence[Any]]:
    """Return the lengths of nested lists, from the outermost, and their numbers."""
    if type(value) is not list:
        raise HTTPError(400, f"{name}: must be a list of numbers, but is {_type_name(value)}")
    lengths, level = [len(value)], value
    while level and type(level[0]) is list:
        length = len(level[0])
        if len(lengths) == MAX_DIMENSIONS or any(type(row) is not list or len(row) != length for row in level):
            law = "lists must be nested at most 4 deep, those of one depth with the same length"
            raise HTTPError(400, f"{name}: {law}")
        level = list(chain.from_iterable(level))
        lengths.append(length)
    for other_type in set(map(type, level)) - {float, int}:
        item = next(item for item in level if type(item) is other_type)
        raise HTTPError(400, f"{name}: must hold numbers only, but holds {_type_name(item)}")
    return lengths, level


def _expectation(shape: Shape) -> str:
    height, width, channels = shape
    return f"expected {height * width * channels} numbers, or {height}x{width}x{channels}, or a list of such images"


def _type_name(value: Any) -> str:
    """Return what a JSON value is, with its article."""
    names = {str: "a text", bool: "true or false", type(None): "null", dict: "an object", list: "a list"}
    return names.get(type(value), "a number")

"""The commonest body, one image as a flat list of numbers, without a look at each number in Python."""

import struct

import numpy as np
import orjson

FLAT_BODY_BYTES = 32_000  # of a body: at most 16,000 numbers, few enough to parse before json_size counts them
RANGE_TOLERANCE = 1e-3  # by which interpolation may leave [0, 1]
NUMBER_BYTES = b"0123456789+-.eE, \t\r\n"
SKELETON = b'{"image":[]}'.translate(None, NUMBER_BYTES)  # what is left of a body that has nothing but numbers
Shape = tuple[int, int, int]


def decode(body: bytes, shape: Shape) -> np.ndarray | None:
    """Return the image of a request in the platform's JSON, float32 [1, H, W, C] in [0, 1].

    None for every other body, valid or not: ``decoding.decode_platform_request`` decodes it, or says what is wrong.
    """
    if len(body) > FLAT_BODY_BYTES or body.translate(None, NUMBER_BYTES) != SKELETON:
        return None
    height, width, channels = shape
    try:  # no text, true, false or null can be in the list; pack takes nothing but numbers, and so many
        packed = struct.pack(f"{height * width * channels}f", *orjson.loads(body)["image"])
    except (orjson.JSONDecodeError, KeyError, OverflowError, struct.error):
        return None
    image = np.frombuffer(packed, np.float32)
    if not is_in_range(image):
        return None
    return image.reshape(1, *shape)


def is_in_range(values: np.ndarray) -> bool:
    """Return whether every value lies in [0, 1], within ``RANGE_TOLERANCE``; NaN does not."""
    low, high = float(np.minimum.reduce(values)), float(np.maximum.reduce(values))  # else the bounds become float32
    return low >= -RANGE_TOLERANCE and high <= 1 + RANGE_TOLERANCE

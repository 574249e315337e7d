"""The bounds on a JSON body before it is parsed: lists of numbers become forty times their text."""

import numpy as np

from trialmaker.serving.errors import HTTPError

SPARE = 1000  # commas and brackets beside those of the images
BLOCK_BYTES = 1 << 18  # at a time, within the processor's cache
Shape = tuple[int, int, int]


def check(body: bytes, shape: Shape, max_images: int) -> int:
    """Check that a body can hold no more values and lists than the largest batch; return how many lists it has.

    Commas and brackets are counted, wherever they stand.

    Raises:
        HTTPError: 413, it holds more.
    """
    height, width, channels = shape
    values = max_images * height * width * channels
    lists = max_images * (height * width + height + 2)
    commas, brackets = _count(body)
    if commas > values + SPARE or brackets > lists + SPARE:
        count = f"{commas:,} commas and {brackets:,} brackets"
        law = f"the body must hold at most {max_images:,} images, {values:,} numbers; send more in several requests"
        raise HTTPError(413, f"{law}, but has {count}")
    return brackets


def _count(body: bytes) -> tuple[int, int]:
    """Return the number of commas, and of brackets and braces that open."""
    codes = np.frombuffer(body, np.uint8)
    commas = brackets = 0
    for start in range(0, len(codes), BLOCK_BYTES):
        block = codes[start : start + BLOCK_BYTES]
        commas += int(np.count_nonzero(block == ord(",")))
        brackets += int(np.count_nonzero((block | 0x20) == ord("{")))  # [ is 0x5b, { is 0x7b
    return commas, brackets

"""Decoding of numbers and of pictures, and what is refused."""

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from trialmaker.serving import decoding
from trialmaker.serving.errors import HTTPError

SHAPE = (28, 28, 1)


@pytest.mark.parametrize("shape", [(784,), (28, 28), (28, 28, 1)])
@pytest.mark.parametrize("batch", [None, 1, 3, 28])
def test_forms_of_images(shape: tuple[int, ...], batch: int | None) -> None:
    numbers = np.random.default_rng(0).random(shape if batch is None else (batch, *shape))
    images, is_batch = decoding.decode_numbers(numbers.tolist(), SHAPE)
    assert is_batch == (batch is not None)
    np.testing.assert_array_equal(images, numbers.astype(np.float32).reshape(-1, *SHAPE))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([], "expected 784 numbers, or 28x28x1, or a list of such images, but got 0"),
        ([[]], "but got 1x0"),
        ([0.5] * 783, "but got 783"),
        ([[0.5] * 784, [0.5] * 783], "those of one depth with the same length"),
        ([[[[[0.5]]]]], "nested at most 4 deep"),
        ([0.5] * 783 + ["1"], "must hold numbers only, but holds a text"),
        ([0.5] * 783 + [True], "but holds true or false"),
        ([0.5] * 783 + [None], "but holds null"),
        ([0.5] * 783 + [[1]], "but holds a list"),
        ([0.5] * 783 + [{}], "but holds an object"),
        ([0.5] * 783 + [1e300], "must be finite and within 32-bit floats"),
        ("picture", "must be a list of numbers, but is a text"),
        (7, "must be a list of numbers, but is a number"),
        (None, "but is null"),
        ({"a": 1}, "but is an object"),
    ],
)
def test_numbers_that_are_no_images(value: Any, text: str) -> None:
    with pytest.raises(HTTPError) as caught:
        decoding.decode_numbers(value, SHAPE)
    assert caught.value.status == 400 and text in caught.value.message


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=30,
)


@given(JSON_VALUES)
def test_any_json_is_images_or_refused(value: Any) -> None:
    try:
        images, _ = decoding.decode_numbers(value, (2, 2, 1))
    except HTTPError:
        return
    assert images.shape[1:] == (2, 2, 1) and np.isfinite(images).all()


@pytest.mark.parametrize(
    ("numbers", "text"), [([0.0, 255.0], "got 255; divide pixels of 0 to 255 by 255"), ([-0.5, 1.0], "but got -0.5")]
)
def test_numbers_outside_of_0_to_1(numbers: list[float], text: str) -> None:
    with pytest.raises(HTTPError, match=text):
        decoding.check_range(np.array(numbers))
    decoding.check_range(np.array([-1e-4, 1.0001]))  # interpolation


def png(pixels: np.ndarray, file_format: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, file_format, **({"quality": 95} if file_format == "JPEG" else {}))
    return file.getvalue()


def decode(raw: bytes, light_on_dark: bool = True) -> np.ndarray:
    return decoding.decode_picture(raw, SHAPE, max_pixels=10**6, light_on_dark=light_on_dark)[0]


def test_dark_strokes_on_light_paper_are_turned_round() -> None:
    pixels = np.zeros((280, 200), np.uint8)
    pixels[60:220, 80:120] = 255
    light = decode(png(pixels))
    assert light.shape == SHAPE and light.max() == 1 and light[0].max() == 0
    np.testing.assert_array_equal(decode(png(255 - pixels)), light)
    assert decode(png(255 - pixels), light_on_dark=False)[0].min() == 1
    colour = np.stack([255 - pixels] * 3, axis=-1)
    np.testing.assert_allclose(decode(png(colour, "JPEG")), light, atol=0.05)


@pytest.mark.parametrize(
    ("raw", "status", "text"),
    [
        (b"", 400, "expected a JPEG or PNG picture"),
        (b"GIF89a", 400, "expected a JPEG or PNG picture"),
        (b"\0\0\0\x18ftypheic", 400, "found something else; save a HEIC or AVIF photo as JPEG first"),
        (png(np.zeros((40, 40), np.uint8))[:45], 400, "found a damaged one"),
        (png(np.zeros((1001, 1000), np.uint8)), 413, "at most 1,000,000 pixels, but has 1000x1001"),
    ],
)
def test_pictures_that_are_refused(raw: bytes, status: int, text: str) -> None:
    with pytest.raises(HTTPError) as caught:
        decode(raw)
    assert caught.value.status == status and text in caught.value.message

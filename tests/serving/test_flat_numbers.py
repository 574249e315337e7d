"""The quick way to decode an image: the same image as the thorough way, or none."""

from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trialmaker.serving import decoding, flat_numbers
from trialmaker.serving.errors import HTTPError

SHAPE = (2, 2, 1)
VALUES = st.one_of(
    st.floats(-0.01, 1.01),
    st.integers(-2, 2),
    st.sampled_from([-0.001, 1.001, 1e39, -0.0, 1e-46, 2**63, True, None, "1", [], "image"]),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(VALUES, min_size=3, max_size=5), st.sampled_from(["image", "imag", "images"]))
@example([0, -0.001, 0, 1], "image")
@example([0, 1.001, 0, 1], "image")
def test_it_is_the_image_of_the_thorough_way(values: list[Any], name: str) -> None:
    body = orjson.dumps({name: values})
    image = flat_numbers.decode(body, SHAPE)
    try:
        expected, is_batch = decoding.decode_platform_request(body, SHAPE)
    except HTTPError:
        assert image is None
        return
    assert image is not None and not is_batch
    np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize(
    "body",
    [
        b'{"image": [[0, 0], [0, 1]]}',  # valid, but not flat
        b'{"image": [0, 0, 0, 1], "image": [0, 0, 0, 1]}',
        b'{"image": [0, 0, 0, 1e999]}',
        b'{"image": [0, 0, 0, 01]}',
        b'{"image": [0, 0, 0,, 1]}',
        b'{"image": [0, 0, 0, 1]',
        b'{"image": [0, 0, 0, NaN]}',
        b'{"im1age": [0, 0, 0, 1]}',
        b'{"image": 0, 0, 0, [1]}',
        b'{"image": [0, 0, 0, 1' + b" " * flat_numbers.FLAT_BODY_BYTES + b"]}",
        b"",
    ],
)
def test_every_other_body_is_left_to_the_thorough_way(body: bytes) -> None:
    assert flat_numbers.decode(body, SHAPE) is None


def test_blanks_and_exponents_are_numbers_too() -> None:
    image = flat_numbers.decode(b' {\n "image" : [1E-1, 0.5e0,\t1, 0]\r\n}', SHAPE)
    assert image is not None and image.dtype == np.float32
    np.testing.assert_array_equal(image, np.float32([0.1, 0.5, 1, 0]).reshape(1, *SHAPE))

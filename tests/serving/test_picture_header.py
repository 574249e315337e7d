"""What is read of a picture before it is decoded, and files that lie."""

import io
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hostile import bodies
from trialmaker.serving import decoding, picture_header
from trialmaker.serving.errors import HTTPError

SHAPE = (28, 28, 1)
SECOND_HEAD = bodies.chunk(b"IHDR", struct.pack(">IIBBBBB", 9000, 9000, 8, 6, 0, 0, 0))


def jpeg(width: int, height: int, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), "white").save(file, "JPEG", **options)
    return file.getvalue()


def decode(raw: bytes) -> None:
    decoding.decode_picture(raw, SHAPE, max_pixels=9_000_000, max_plain_pixels=16_000_000, light_on_dark=False)


@pytest.mark.parametrize(
    ("raw", "size", "scans"),
    [
        (bodies.png(30, 20), (30, 20), 0),
        (bodies.png(30, 20)[:33] + SECOND_HEAD + bodies.png(30, 20)[33:], (30, 20), 0),
        (jpeg(30, 20), (30, 20), 1),
        (jpeg(30, 20, progressive=True), (30, 20), 10),
        (jpeg(30, 20, exif=b"Exif\0\0" + jpeg(10, 10, progressive=True)), (30, 20), 1),
        (jpeg(30, 20, comment=b"\xff\xda\xff\xd9" * 9), (30, 20), 1),
        (jpeg(30, 20) + b"\xff\xda" * 99, (30, 20), 1),
    ],
)
def test_heads(raw: bytes, size: tuple[int, int], scans: int) -> None:
    header = picture_header.read(raw)
    assert header and (header.width, header.height, header.scans) == (*size, scans)
    decode(raw)


def test_a_limit_follows_from_the_models_input() -> None:
    sides = {28: 9_000_000, 224: 9_000_000, 400: 16_000_000, 1024: 25_000_000}
    assert {side: picture_header.default_max_pixels((side, side, 3)) for side in sides} == sides
    assert [picture_header.default_max_plain_pixels((side, side, 3)) for side in (28, 400)] == [22_500_000, 25_000_000]
    reductions = {(4000, 3000, 28): 8, (4000, 3000, 224): 4, (400, 90, 28): 1, (460, 450, 28): 8}
    for (width, height, side), reduction in reductions.items():
        header = picture_header.PictureHeader(width, height, 1000, 1)
        assert header.reduction((side, side, 1)) == reduction


def sequential_scans(count: int) -> bytes:
    """Return a JPEG that is not progressive, and has each component in scans of its own."""
    raw = jpeg(640, 480)
    scan = raw.index(b"\xff\xda")
    data = raw[scan + 14 : -2]
    one = b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, 1, 0, 0, 63, 0) + data
    return raw[:scan] + one * count + raw[-2:]


@pytest.mark.parametrize(
    ("raw", "status", "text"),
    [
        (sequential_scans(60), 413, "at most 50 scans"),
        (jpeg(640, 480, progressive=True).replace(b"\xff\xda", b"\xff\xda" * 60, 1), 413, "at most 50 scans"),
        (
            bodies.png(4000, 3000, interlaced=True),
            413,
            "at most 9,000,000 pixels, but has 4000x3000; save it as a JPEG",
        ),
        (
            bodies.png(4000, 5000),
            413,
            "at most 16,000,000 pixels, but has 4000x5000; save it as a JPEG, or save it sma",
        ),
        (jpeg(5000, 4000, progressive=True), 413, "as a JPEG without progressive scans, or save it smaller; --max-pix"),
        (jpeg(9000, 8100), 413, "at most 72,000,000 pixels, but has 9000x8100"),
        (b"\x89PNG\r\n\x1a\n", 400, "found a damaged one"),
        (b"\xff\xd8\xff", 400, "found a damaged one"),
        (b"\xff\xd8" + b"\xff\xe0\0\2" * 3000, 400, "found a damaged one"),
        (b"\xff\xd8" + b"\xff" * 5000, 400, "found a damaged one"),
    ],
)
def test_pictures_whose_heads_say_too_much(raw: bytes, status: int, text: str) -> None:
    with pytest.raises(HTTPError) as caught:
        decode(raw)
    assert caught.value.status == status and text in caught.value.message


@given(
    st.sampled_from([jpeg(30, 20, progressive=True), bodies.png(30, 20)]), st.integers(0, 200), st.binary(max_size=9)
)
def test_any_bytes_have_a_head_or_none(raw: bytes, place: int, inserted: bytes) -> None:
    for changed in (raw[:place] + inserted + raw[place:], raw[:place] + inserted, inserted + raw):
        try:
            decode(changed)
        except HTTPError as error:
            assert error.status in (400, 413)

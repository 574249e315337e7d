"""Pictures without what is not seen of them: the same pixels, and nothing that takes long."""

import io
import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hostile import bodies
from trialmaker.data import image_decoding
from trialmaker.serving import decoding, picture_stripping
from trialmaker.serving.errors import HTTPError

SHAPE = (28, 28, 3)
PIXELS = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)


def encoded(picture: Image.Image, file_format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, file_format, **options)
    return file.getvalue()


def exif(order: str, orientation: int, value_type: str = "H") -> bytes:
    tags = [struct.pack(order + "HHI4s", 0x010F, 2, 4, b"me\0\0")]
    number = {"B": 1, "H": 3, "I": 4}[value_type]
    value = struct.pack(order + value_type, orientation).ljust(4, b"\0")
    tags.append(struct.pack(order + "HHI", 0x0112, number, 1) + value)
    return struct.pack(order + "2sHIH", b"II" if order == "<" else b"MM", 42, 8, len(tags)) + b"".join(tags) + bytes(4)


def xmp(orientation: int) -> bytes:
    return b'<x:xmpmeta><rdf:Description tiff:Orientation="%d"/></x:xmpmeta>' % orientation


def turned(file_format: str, orientation: int, how: str) -> bytes:
    raw = encoded(Image.fromarray(PIXELS), file_format)
    tags = exif(how[0], orientation, how[1]) if how != "xmp" else b""
    if file_format == "PNG":
        name, content = (b"eXIf", tags) if tags else (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(orientation))
        return bodies.with_chunks(raw, name, content, 1)
    content = b"Exif\0\0" + tags if tags else b"http://ns.adobe.com/xap/1.0/\0" + xmp(orientation)
    return raw[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(content)) + content + raw[2:]


@pytest.mark.parametrize("how", ["<H", ">H", "<I", "xmp"])
@pytest.mark.parametrize("file_format", ["PNG", "JPEG"])
def test_which_way_is_up_is_kept(file_format: str, how: str) -> None:
    seen = set()
    for orientation in range(1, 9):
        raw = turned(file_format, orientation, how)
        expected = image_decoding.decode(raw, image_size=SHAPE[:2], channels=3)
        stripped = picture_stripping.strip(raw)
        assert np.array_equal(image_decoding.decode(stripped, image_size=SHAPE[:2], channels=3), expected)
        assert picture_stripping.strip(stripped) == stripped
        seen.add(expected.tobytes())
    assert len(seen) == 8


@pytest.mark.parametrize(
    "raw",
    [
        encoded(Image.fromarray(PIXELS).quantize(16), "PNG", transparency=3),
        encoded(Image.fromarray(PIXELS).convert("RGBA"), "PNG"),
        encoded(Image.fromarray(PIXELS[:, :, 0].astype(np.uint16) * 200), "PNG"),
        encoded(Image.fromarray(PIXELS).convert("CMYK"), "JPEG"),
        encoded(Image.fromarray(PIXELS), "JPEG", progressive=True, icc_profile=b"x" * 1000, comment=b"c" * 1000),
        encoded(Image.fromarray(PIXELS), "MPO", save_all=True, append_images=[Image.fromarray(PIXELS[::-1])]),
        encoded(Image.fromarray(PIXELS), "PNG", save_all=True, append_images=[Image.fromarray(PIXELS[::-1])]),
    ],
    ids=["palette", "transparency", "16 bits", "CMYK", "profile", "two photos", "animation"],
)
def test_what_is_seen_is_kept(raw: bytes) -> None:
    expected = image_decoding.decode(raw, image_size=SHAPE[:2], channels=3)
    assert np.array_equal(
        image_decoding.decode(picture_stripping.strip(raw), image_size=SHAPE[:2], channels=3), expected
    )


@pytest.mark.parametrize("raw", [bodies.tagged_png(), bodies.tagged_jpeg(), bodies.text_bomb()])
def test_lists_of_tags_and_texts_are_left_out(raw: bytes) -> None:
    stripped = picture_stripping.strip(raw)
    assert len(stripped) < 1500
    assert decoding.decode_picture(raw, SHAPE, max_pixels=10**6, light_on_dark=False).shape == (1, *SHAPE)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (bodies.many_profiles(), "at most 2,000 chunks"),
        (bodies.with_chunks(bodies.png(28, 28, 0), b"IDAT", b"", 19_000), "at most 2,000 chunks"),
        (bodies.empty_blocks(), "the data of 28x28 pixels must have at most 11,624 bytes"),
    ],
)
def test_far_more_than_the_pixels_is_refused(raw: bytes, text: str) -> None:
    with pytest.raises(HTTPError, match=text) as caught:
        decoding.decode_picture(raw, SHAPE, max_pixels=10**6, light_on_dark=False)
    assert caught.value.status == 413


def test_what_bytes_take_counts_in_the_order_of_decoding() -> None:
    header, _ = decoding.prepare_picture(bodies.empty_blocks(2000, 2000), SHAPE, 10**7)
    assert header.milliseconds(SHAPE) > 200

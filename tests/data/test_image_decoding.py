"""decode: the kinds of pictures that cameras, browsers and scanners make."""

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from trialmaker.data.image_decoding import decode
from trialmaker.errors import UserError

GREY = np.arange(24, dtype=np.uint8).reshape(4, 6) * 10
RGB = np.stack([GREY, 255 - GREY, GREY // 2], axis=-1)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def read(raw: bytes, *, channels: int = 3, image_size: tuple[int, int] = (4, 6)) -> np.ndarray:
    return decode(raw, image_size=image_size, channels=channels)


def solid(mode: str, colour: object, size: tuple[int, int] = (32, 32)) -> Image.Image:
    return Image.new(mode, size, colour)


def test_rgb_stays_as_it_is() -> None:
    image = read(encoded(Image.fromarray(RGB)))
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, RGB)


def test_grey_stays_as_it_is() -> None:
    np.testing.assert_array_equal(read(encoded(Image.fromarray(GREY)), channels=1)[..., 0], GREY)


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "手写 é.png"
    path.write_bytes(encoded(Image.fromarray(GREY)))
    np.testing.assert_array_equal(decode(path, image_size=(4, 6), channels=1)[..., 0], GREY)


def test_grey_becomes_rgb() -> None:
    np.testing.assert_array_equal(read(encoded(Image.fromarray(GREY))), np.stack([GREY] * 3, axis=-1))


def test_rgb_becomes_grey_by_luma() -> None:
    image = read(encoded(solid("RGB", (255, 0, 0))), channels=1)
    assert (image == 76).all()  # 0.299 * 255


# A picture of one colour, and that colour in RGB.
KINDS = {
    "RGB JPEG": (encoded(solid("RGB", (200, 100, 50)), "JPEG"), (200, 100, 50)),
    "grey JPEG": (encoded(solid("L", 90), "JPEG"), (90, 90, 90)),
    "CMYK JPEG": (encoded(solid("CMYK", (0, 255, 255, 0)), "JPEG"), (255, 0, 0)),
    "progressive JPEG": (encoded(solid("RGB", (9, 9, 9)), "JPEG", progressive=True), (9, 9, 9)),
    "MPO, which phones call .jpg": (
        encoded(solid("RGB", (7, 7, 7)), "MPO", save_all=True, append_images=[solid("RGB", (99, 99, 99))]),
        (7, 7, 7),
    ),
    "black and white PNG": (encoded(solid("1", 1)), (255, 255, 255)),
    "palette PNG": (encoded(solid("RGB", (10, 200, 30)).quantize(4)), (10, 200, 30)),
    "palette PNG, see-through": (encoded(solid("P", 0), transparency=0), (255, 255, 255)),
    "RGBA PNG, solid": (encoded(solid("RGBA", (10, 20, 30, 255))), (10, 20, 30)),
    "RGBA PNG, see-through": (encoded(solid("RGBA", (10, 20, 30, 0))), (255, 255, 255)),
    "RGBA PNG, half see-through": (encoded(solid("RGBA", (0, 0, 0, 51))), (204, 204, 204)),
    "grey PNG with alpha": (encoded(solid("LA", (0, 51))), (204, 204, 204)),
    "RGB PNG with a see-through colour": (encoded(solid("RGB", (1, 2, 3)), transparency=(1, 2, 3)), (255, 255, 255)),
    "animated PNG, first frame": (
        encoded(solid("L", 5), save_all=True, append_images=[solid("L", 250)]),
        (5, 5, 5),
    ),
}


@pytest.mark.parametrize("raw, colour", KINDS.values(), ids=KINDS)
def test_kinds(raw: bytes, colour: tuple[int, int, int]) -> None:
    image = read(raw, image_size=(8, 8))
    assert abs(image.astype(int) - colour).max() <= 2


def test_palettes_with_several_alphas() -> None:
    image = solid("P", 0, (2, 1))
    image.putdata([0, 1])
    image.putpalette([0, 0, 0, 0, 0, 0])
    raw = encoded(image, transparency=bytes([255, 51]))
    assert read(raw, channels=1, image_size=(1, 2)).ravel().tolist() == [0, 204]


def test_16_bits_become_8() -> None:
    """The high byte counts; a plain conversion in Pillow would cut off at 255."""
    values = np.array([[0, 255, 257, 32768, 65535]], dtype=np.uint16)
    image = read(encoded(Image.fromarray(values)), channels=1, image_size=(1, 5))
    assert image.ravel().tolist() == [0, 1, 1, 128, 255]


UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,  # what a camera stores that is to be turned by 270 degrees
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(orientation: int) -> None:
    image = Image.fromarray(RGB)
    stored = image.transpose(UPRIGHT[orientation]) if orientation > 1 else image
    exif = Image.Exif()
    exif[0x0112] = orientation
    np.testing.assert_array_equal(read(encoded(stored, exif=exif)), RGB)


def test_exif_orientation_of_a_photo() -> None:
    """A tall photo that was stored lying, and is decoded at a fraction of its size: its sky stays above."""
    tall = np.zeros((1600, 800), dtype=np.uint8)
    tall[:800] = 240
    exif = Image.Exif()
    exif[0x0112] = 6
    raw = encoded(Image.fromarray(tall).transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif)
    small = read(raw, channels=1, image_size=(8, 8))
    assert (small[:3] > 230).all()
    assert (small[5:] < 10).all()


def test_making_smaller_counts_every_pixel() -> None:
    """A fine chessboard is grey from afar, and not black or white as it is when pixels are picked."""
    board = (np.indices((256, 256)).sum(axis=0) % 2 * 255).astype(np.uint8)
    for kind in ("PNG", "JPEG"):
        small = read(encoded(Image.fromarray(board), kind), channels=1, image_size=(16, 16))
        assert abs(small.astype(int) - 127).max() <= 4


def test_height_comes_first() -> None:
    assert read(encoded(solid("L", 1)), channels=1, image_size=(3, 5)).shape == (3, 5, 1)


def test_one_pixel_fills_the_picture() -> None:
    assert (read(encoded(solid("L", 77, (1, 1))), channels=1, image_size=(8, 8)) == 77).all()


def png(width: int, height: int) -> bytes:
    """Return a PNG file whose header claims a size, and that holds no pixels."""
    header = struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


JPEG = encoded(Image.fromarray(RGB).resize((64, 64)), "JPEG")
DAMAGE = {
    "empty": (b"", "expected a JPEG or PNG picture, found something else"),
    "text": (b"hello", "expected a JPEG or PNG picture, found something else"),
    "another format": (encoded(solid("L", 1), "GIF"), "expected a JPEG or PNG picture, found something else"),
    "cut off": (
        JPEG[:-200],
        "expected a whole picture, found a damaged one: image file is truncated (9 bytes not processed)",
    ),
    "a bomb": (
        png(20_000, 20_000),
        "expected a picture of a sane size, found: Image size (400000000 pixels) exceeds limit of 178956970 pixels, "
        "could be decompression bomb DOS attack.",
    ),
}


@pytest.mark.parametrize("raw, message", DAMAGE.values(), ids=DAMAGE)
def test_damage(raw: bytes, message: str) -> None:
    with pytest.raises(UserError) as error:
        read(raw)
    assert str(error.value) == f"the picture: {message}"


def test_files_that_can_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "1.png"
    with pytest.raises(UserError) as error:
        decode(path, image_size=(4, 4), channels=1)
    assert str(error.value) == f"{path}: expected a readable file, found: No such file or directory"
    os.mkfifo(path)
    with pytest.raises(UserError) as error:
        decode(path, image_size=(4, 4), channels=1)
    assert str(error.value) == f"{path}: expected a file, found a device or a pipe"


@settings(deadline=None, max_examples=200)
@given(data=st.data(), raw=st.sampled_from([JPEG, encoded(Image.fromarray(RGB)), KINDS["palette PNG, see-through"][0]]))
def test_any_mutation(data: st.DataObject, raw: bytes) -> None:
    """Either a picture or a UserError of one line."""
    content = bytearray(raw)
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        image = read(bytes(content[: data.draw(st.integers(0, len(content)))]))
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert image.shape == (4, 6, 3)

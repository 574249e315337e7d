"""Decoding of one picture to one array: the same steps for training files and for requests to the inference service."""

import io
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trialmaker.data.files import open_file, read_file
from trialmaker.errors import UserError, one_line
from trialmaker.platform.unpacking import check_memory

if TYPE_CHECKING:
    from PIL import Image

PILLOW_FORMATS = ("JPEG", "PNG")  # of what a caller of the inference service may send
FILE_FORMATS = (*PILLOW_FORMATS, "BMP", "GIF", "WEBP", "TIFF", "PPM")  # of a person's own files
HEADER_BYTES = 16
BYTES_PER_PIXEL = 16  # while it is decoded, turned and composited: up to four copies
LARGE_PIXELS = 12_000_000  # of larger pictures one is decoded at a time, so that threads do not add up
STRIP_PIXELS = 1 << 18  # of a picture that are converted at once, within the processor's cache
_one_large = threading.Lock()
# How files of FILE_FORMATS begin.
SIGNATURES = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|BM.{4}\0{4}|GIF8[79]a|RIFF.{4}WEBP|II\*\0|MM\0\*|P[1-6]\s[\s\d#]", re.DOTALL
)


def is_picture(path: Path) -> bool:
    """Return whether a file begins as one of ``FILE_FORMATS``; False where it cannot be read."""
    try:
        with open_file(path) as stream:
            return SIGNATURES.match(stream.read(HEADER_BYTES)) is not None
    except UserError:
        return False


def decode(
    source: Path | bytes,
    *,
    image_size: tuple[int, int],
    channels: int,
    formats: tuple[str, ...] = PILLOW_FORMATS,
    source_size: tuple[int, int] | None = None,
) -> np.ndarray:
    """Decode a picture and resize it.

    The picture is rotated by its EXIF orientation, transparent pixels are composited on white, and 16-bit values are
    scaled to 8 bits; of several frames the first counts. It is then stretched to the size without cropping, so its
    proportions may change, by Pillow's bilinear filter, which averages over all pixels when it scales down.

    Args:
        source: a file, or its bytes.
        image_size: (height, width) of the result, in pixels.
        channels: 1 for grey (luma, ITU-R 601), 3 for RGB.
        formats: Pillow's names of those that are read, whatever the file is called.
        source_size: (width, height) that the picture must have, before it is rotated, in pixels; None for any.

    Returns:
        uint8 [height, width, channels] in 0..255.

    Raises:
        UserError: another format, damage, or more pixels than Pillow's limit against decompression bombs.
    """
    from PIL import Image  # imported late: only image_folders and the service need it

    is_file = isinstance(source, Path)
    place, raw = (str(source), read_file(source)) if isinstance(source, Path) else ("the picture", source)
    with _explained(place, formats), Image.open(io.BytesIO(raw), formats=formats) as image:
        if source_size and image.size != source_size:
            raise ValueError(f"it has {image.width}x{image.height} pixels, and {source_size[0]}x{source_size[1]}")
        # JPEG can be decoded at 1/2, 1/4 or 1/8: far faster for a photo, and still at least twice image_size.
        image.draft(None, (2 * max(image_size), 2 * max(image_size)))
        bounded = _bounded(place, image.width * image.height) if is_file else nullcontext()  # the service has its own
        with bounded:
            return np.asarray(_small(image, image_size, channels)).reshape(*image_size, channels)


@contextmanager
def _explained(place: str, formats: tuple[str, ...]) -> Iterator[None]:
    """Have what fails inside say what is wrong with the picture."""
    from PIL import Image, UnidentifiedImageError

    try:
        yield
    except UserError:
        raise
    except UnidentifiedImageError:
        raise UserError(f"{place}: expected a {_listed(formats)} picture, found something else") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UserError(f"{place}: expected a picture of a sane size, found: {one_line(error)}") from None
    except Exception as error:  # Pillow raises a dozen types on damaged files
        raise UserError(f"{place}: expected a whole picture, found a damaged one: {one_line(error)}") from None


def _listed(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


@contextmanager
def _bounded(place: str, pixels: int) -> Iterator[None]:
    """Decode a large picture inside, one at a time; refuse one that is too large for the memory there is."""
    from PIL import Image

    if pixels <= LARGE_PIXELS:
        yield
        return
    if pixels > (Image.MAX_IMAGE_PIXELS or pixels):  # Pillow warns of these, and refuses those of twice as many
        raise Image.DecompressionBombError(f"{pixels} pixels, more than {Image.MAX_IMAGE_PIXELS}")
    with _one_large:
        check_memory(place, BYTES_PER_PIXEL * pixels)
        yield


def _small(image: "Image.Image", image_size: tuple[int, int], channels: int) -> "Image.Image":
    from PIL import Image, ImageOps

    ImageOps.exif_transpose(image, in_place=True)  # else it copies a picture that needs no rotation
    flat = _flat(image, "L" if channels == 1 else "RGB")
    return flat.resize((image_size[1], image_size[0]), Image.Resampling.BILINEAR)


def _flat(image: "Image.Image", mode: str) -> "Image.Image":
    """Return a picture in another mode, without transparency; made in strips, so that what lies between is small."""
    from PIL import Image

    if image.mode == mode and not image.has_transparency_data:
        return image
    flat = Image.new(mode, image.size)
    rows = max(1, STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        flat.paste(_opaque(strip).convert(mode), (0, top))
    return flat


def _opaque(image: "Image.Image") -> "Image.Image":
    from PIL import Image

    if image.mode.startswith(("I", "F")):  # 16 bits: Pillow's own conversion would clip values at 255
        values = np.asarray(image)
        if values.dtype.kind == "f" or values.min() < 0 or values.max() >= 1 << 16:
            raise ValueError("its pixels have more than 16 bits")
        return Image.fromarray(((values.astype(np.uint32) + 128) // 257).astype(np.uint8))
    if image.has_transparency_data:
        rgba = image if image.mode == "RGBA" else image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return image

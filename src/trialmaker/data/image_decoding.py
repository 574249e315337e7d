"""One picture -> one array: the same steps for a training file and for a picture sent to the inference service."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trialmaker.data.files import read_file
from trialmaker.errors import UserError

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("JPEG", "PNG")


def decode(source: Path | bytes, *, image_size: tuple[int, int], channels: int) -> np.ndarray:
    """Decodes a picture and brings it to a size.

    It is turned upright as EXIF says, laid on white paper where it is transparent, 16 bits become 8, then it is
    stretched to the size: proportions change, nothing is cut off, every pixel counts (Pillow's bilinear filter).

    Args:
        source: a file, or the bytes of one.
        image_size: (height, width) of the result, in pixels.
        channels: 1 for grey (luma, ITU-R 601), 3 for RGB.

    Returns:
        uint8 [height, width, channels] in 0..255.

    Raises:
        UserError: no JPEG or PNG, damaged, or so many pixels that it may be a decompression bomb (Pillow's limit).
    """
    from PIL import Image, UnidentifiedImageError  # here, since only pictures need it

    place = str(source) if isinstance(source, Path) else "the picture"
    raw = read_file(source) if isinstance(source, Path) else source
    try:
        with Image.open(io.BytesIO(raw), formats=FORMATS) as image:
            upright = _upright(image, image_size)
        flat = _opaque(upright).convert("L" if channels == 1 else "RGB")
        small = flat.resize((image_size[1], image_size[0]), Image.Resampling.BILINEAR)
    except UnidentifiedImageError:
        raise UserError(f"{place}: expected a JPEG or PNG picture, found something else") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UserError(f"{place}: expected a picture of a sane size, found: {_one_line(error)}") from None
    except Exception as error:  # Pillow raises a dozen types on damaged files
        raise UserError(f"{place}: expected a whole picture, found a damaged one: {_one_line(error)}") from None
    return np.asarray(small).reshape(*image_size, channels)


def _upright(image: "Image.Image", image_size: tuple[int, int]) -> "Image.Image":
    from PIL import ImageOps

    # JPEG can be decoded at 1/2, 1/4 or 1/8: far faster for a photo, and still at least twice the size asked for.
    image.draft(None, (2 * max(image_size), 2 * max(image_size)))
    return ImageOps.exif_transpose(image)


def _opaque(image: "Image.Image") -> "Image.Image":
    from PIL import Image

    if image.mode.startswith("I"):  # 16 bits: Pillow's own conversion would cut values off at 255
        return Image.fromarray(((np.asarray(image).astype(np.uint32) + 128) // 257).astype(np.uint8))
    if image.has_transparency_data:
        ink = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", ink.size, "white"), ink)
    return image


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__

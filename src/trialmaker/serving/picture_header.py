"""What the head of a PNG or JPEG file says, and the bounds on what is decoded: found without decoding anything."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from trialmaker.serving.errors import HTTPError

PNG_START = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
JPEG_START = b"\xff\xd8\xff"
FILE_STARTS = (b"\x89PNG\r\n\x1a\n", JPEG_START)
SCAN_MARKER = b"\xff\xda"
APP1_MARKER = 0xE1
SINGLE_SCAN_FRAMES = (0xC0, 0xC1)  # of Huffman-coded JPEG that is not progressive
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # markers of a JPEG's frame; the three others hold tables
REDUCTIONS = (8, 4, 2)  # by which Pillow decodes a JPEG smaller than it is, at a fraction of time and memory
BARE_MARKERS = {0x00, 0x01, *range(0xD0, 0xDA), 0xFF}  # without a length: none at all, restarts, fill
MAX_SIDE = 65_535  # pixels, as in JPEG; what resizing a longer side takes grows beyond the picture
MAX_SCANS, USUAL_SCANS = 50, 13  # of a JPEG; encoders make 1 to 13
MAX_SEGMENTS = 2000  # of a JPEG before its first scan
MIN_MAX_PIXELS, MAX_MAX_PIXELS = 9_000_000, 25_000_000  # by default: a page at 300 dpi, and the largest
PIXELS_A_VALUE = 100  # of the largest picture, for each number that the model takes
PLAIN_TIMES = 2.5  # the limit by default, for pictures that are neither interlaced nor of unusually many scans
PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by the colour type
DATA_TIMES, DATA_SPARE = 2, 10_000  # bytes of a PNG's data, for each byte of its pixels, and more
SMALLER_TEXT = "save it smaller; --max-pixels raises the limit"
# Milliseconds on one core, at most, to decode a pixel or a byte. They only put what waits in order.
MS_A_PNG_BYTE = 3e-5  # of blocks that hold nothing but their tables
MS_A_PNG_PIXEL, MS_A_JPEG_BYTE, MS_A_JPEG_PIXEL, MS_A_SCANNED_PIXEL = 2e-5, 7e-6, 3e-7, 7e-6
Shape = tuple[int, int, int]


@dataclass(frozen=True)
class PictureHeader:
    """The head of a picture's file.

    Args:
        width: pixels.
        height: pixels.
        size: of the file, bytes.
        scans: of a JPEG, at most; counted to one more than ``MAX_SCANS``; 0 for a PNG.
        bits: of a pixel, of a PNG.
        is_interlaced: of a PNG.
    """

    width: int
    height: int
    size: int
    scans: int
    bits: int = 0
    is_interlaced: bool = False

    @property
    def pixels(self) -> int:
        """Return the number of pixels."""
        return self.width * self.height

    def reduction(self, shape: Shape) -> int:
        """Return by how much each side of the picture is reduced before it takes memory, for a model's input."""
        if self.scans != 1:  # else the whole picture's coefficients are held, whatever its size becomes
            return 1
        return self._shrinking(shape)

    def _shrinking(self, shape: Shape) -> int:
        times = min(self.width, self.height) // (2 * max(shape[:2]))
        return next((factor for factor in REDUCTIONS if factor <= times), 1)

    def most_pixels(self, shape: Shape, max_pixels: int, max_plain_pixels: int) -> int:
        """Return how many pixels it may have; for the limits see ``check``."""
        is_costly = self.is_interlaced or self.scans > USUAL_SCANS
        return max(max_pixels * self.reduction(shape), 0 if is_costly else max_plain_pixels)

    @property
    def most_bytes(self) -> int:
        """Return how long the data of its pixels may be, as a PNG."""
        return DATA_TIMES * self.height * (1 + -(-self.width * self.bits // 8)) + DATA_SPARE

    def milliseconds(self, shape: Shape) -> float:
        """Return about how long decoding takes one core."""
        if not self.scans:
            return self.pixels * MS_A_PNG_PIXEL + self.size * MS_A_PNG_BYTE
        decoded = self.pixels / self._shrinking(shape) ** 2 * MS_A_PNG_PIXEL
        again = (self.scans - 1) * self.pixels * MS_A_JPEG_PIXEL + (self.scans > 1) * self.pixels * MS_A_SCANNED_PIXEL
        return decoded + self.size * MS_A_JPEG_BYTE + self.pixels * MS_A_JPEG_PIXEL + again


def read(raw: bytes) -> PictureHeader | None:
    """Return the head of a PNG or JPEG file; None where it is another file, or damaged."""
    if raw.startswith(PNG_START) and len(raw) >= 29:
        width, height, bits, colours, _, _, interlacing = struct.unpack(">IIBBBBB", raw[16:29])
        bits *= PNG_CHANNELS.get(colours, 1)
        return PictureHeader(width, height, len(raw), 0, bits, interlacing != 0)
    return _read_jpeg(raw) if raw.startswith(JPEG_START) else None


def check(header: PictureHeader, shape: Shape, max_pixels: int, max_plain_pixels: int = 0) -> None:
    """Check that a picture may be decoded.

    A JPEG that is decoded at a half, a quarter or an eighth of its size may have as many times the pixels.

    Args:
        header: the picture's.
        shape: of the model's input.
        max_pixels: of any picture.
        max_plain_pixels: of one that is neither interlaced nor of unusually many scans, where that is more.

    Raises:
        HTTPError: 413, it has too many pixels, a side too long, or too many scans.
    """
    size = f"{header.width}x{header.height}"
    if header.scans > MAX_SCANS:
        law = f"must have at most {MAX_SCANS} scans, but has more; save it without progressive scans"
        raise HTTPError(413, f"image: {law}")
    most = header.most_pixels(shape, max_pixels, max_plain_pixels)
    if header.pixels > most:
        way_on = f"{_simpler_form(header)}{SMALLER_TEXT}"
        raise HTTPError(413, f"image: must have at most {most:,} pixels, but has {size}; {way_on}")
    if max(header.width, header.height) > MAX_SIDE:
        law = f"must have at most {MAX_SIDE:,} pixels a side, but has {size}; save it smaller"
        raise HTTPError(413, f"image: {law}")


def check_size(header: PictureHeader) -> None:
    """Check that a PNG which was stripped is not far longer than its pixels.

    Raises:
        HTTPError: 413, it is.
    """
    if not header.scans and header.size > header.most_bytes:
        law = f"the data of {header.width}x{header.height} pixels must have at most {header.most_bytes:,} bytes"
        raise HTTPError(413, f"image: {law}, but has {header.size:,}; save it again")


def default_max_pixels(shape: Shape) -> int:
    """Return the largest number of pixels that a model's input asks for."""
    height, width, _ = shape
    return min(MAX_MAX_PIXELS, max(MIN_MAX_PIXELS, PIXELS_A_VALUE * height * width))


def default_max_plain_pixels(shape: Shape) -> int:
    """Return the largest number of pixels of a picture that is neither interlaced nor of unusually many scans."""
    return min(MAX_MAX_PIXELS, int(PLAIN_TIMES * default_max_pixels(shape)))


def _simpler_form(header: PictureHeader) -> str:
    """Return which form of the picture may have more pixels."""
    if header.scans > 1:
        return "save it as a JPEG without progressive scans, or "
    return "" if header.scans else "save it as a JPEG, or "


def segments(raw: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield the marker, the start and the end of each segment of a JPEG up to its first scan, past a thumbnail's.

    What stands between them is left out, as decoders do; without a scan among the first, it just ends.
    """
    place = 2
    for _ in range(MAX_SEGMENTS):
        place = raw.find(b"\xff", place)
        if place < 0 or len(raw) < place + 5:
            return
        marker = raw[place + 1]
        if marker in BARE_MARKERS:
            place += 1
            continue
        end = place + 2 + int.from_bytes(raw[place + 2 : place + 4], "big")
        yield marker, place, end
        if marker == SCAN_MARKER[1]:
            return
        place = end


def _read_jpeg(raw: bytes) -> PictureHeader | None:
    """Return the head of a JPEG."""
    frame: tuple[int, int, int, int] | None = None
    for marker, place, _ in segments(raw):
        if marker in FRAMES and len(raw) >= place + 10:
            frame = (marker, *struct.unpack(">HHB", raw[place + 5 : place + 10]))
        if marker == SCAN_MARKER[1]:
            return _header_at_scan(raw, place, frame) if frame else None
    return None


def _header_at_scan(raw: bytes, place: int, frame: tuple[int, int, int, int]) -> PictureHeader:
    """Return the head of a JPEG whose first scan begins at ``place``.

    Where the first scan of a sequential JPEG has all components, the decoder reads no other. Else what looks like the
    start of a scan in a comment counts too.
    """
    marker, height, width, components = frame
    is_single = marker in SINGLE_SCAN_FRAMES and raw[place + 4] == components
    scans = 1
    while not is_single and scans <= MAX_SCANS and (place := raw.find(SCAN_MARKER, place + 2)) >= 0:
        scans += 1
    return PictureHeader(width, height, len(raw), 1 if is_single else max(2, scans))

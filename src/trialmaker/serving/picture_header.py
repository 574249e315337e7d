"""What the head of a PNG or JPEG file says, and the bounds on what is decoded: found without decoding anything."""

import struct
from dataclasses import dataclass

from trialmaker.serving.errors import HTTPError

PNG_START = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
JPEG_START = b"\xff\xd8\xff"
FILE_STARTS = (b"\x89PNG\r\n\x1a\n", JPEG_START)
SCAN_MARKER = b"\xff\xda"
SINGLE_SCAN_FRAMES = (0xC0, 0xC1)  # of Huffman-coded JPEG that is not progressive
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # markers of a JPEG's frame; the three others hold tables
REDUCTIONS = (8, 4, 2)  # by which Pillow decodes a JPEG smaller than it is, at a fraction of time and memory
BARE_MARKERS = {0x00, 0x01, *range(0xD0, 0xDA), 0xFF}  # without a length: none at all, restarts, fill
MAX_SIDE = 65_535  # pixels, as in JPEG; what resizing a longer side takes grows beyond the picture
MAX_SCANS = 50  # of a JPEG; encoders make 1 to 13
CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"eXIf")  # of a PNG, which decide what is seen
XMP = b"iTXtXML:com.adobe.xmp\0\0"  # and this one, uncompressed: it may say which way is up
MAX_CHUNKS = 20_000  # of a PNG
MAX_SEGMENTS = 2000  # of a JPEG before its first scan
MIN_MAX_PIXELS, MAX_MAX_PIXELS = 9_000_000, 25_000_000  # by default: a page at 300 dpi, and the largest
PIXELS_A_VALUE = 100  # of the largest picture, for each number that the model takes
# Milliseconds on one core, at most, to decode a pixel or a byte. They only put what waits in order.
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
    """

    width: int
    height: int
    size: int
    scans: int

    @property
    def pixels(self) -> int:
        """Return the number of pixels."""
        return self.width * self.height

    def reduction(self, shape: Shape) -> int:
        """Return by how much Pillow reduces each side of the picture while it decodes, for a model's input."""
        if self.scans != 1:  # else the whole picture's coefficients are held, whatever its size becomes
            return 1
        times = min(self.width, self.height) // (2 * max(shape[:2]))
        return next((factor for factor in REDUCTIONS if factor <= times), 1)

    def milliseconds(self, shape: Shape) -> float:
        """Return about how long decoding takes one core."""
        if not self.scans:
            return self.pixels * MS_A_PNG_PIXEL
        decoded = self.pixels / self.reduction(shape) ** 2 * MS_A_PNG_PIXEL
        again = (self.scans - 1) * self.pixels * MS_A_JPEG_PIXEL + (self.scans > 1) * self.pixels * MS_A_SCANNED_PIXEL
        return decoded + self.size * MS_A_JPEG_BYTE + self.pixels * MS_A_JPEG_PIXEL + again


def read(raw: bytes) -> PictureHeader | None:
    """Return the head of a PNG or JPEG file; None where it is another file, or damaged."""
    if raw.startswith(PNG_START) and len(raw) >= 24:
        width, height = struct.unpack(">II", raw[16:24])
        return PictureHeader(width, height, len(raw), 0)
    return _read_jpeg(raw) if raw.startswith(JPEG_START) else None


def check(header: PictureHeader, shape: Shape, max_pixels: int) -> None:
    """Check that a picture may be decoded.

    A JPEG that is decoded at a half, a quarter or an eighth of its size may have as many times the pixels.

    Raises:
        HTTPError: 413, it has too many pixels, a side too long, or too many scans.
    """
    size = f"{header.width}x{header.height}"
    most = max_pixels * header.reduction(shape)
    if header.pixels > most:
        raise HTTPError(413, f"image: must have at most {most:,} pixels, but has {size}")
    if max(header.width, header.height) > MAX_SIDE:
        raise HTTPError(413, f"image: must have at most {MAX_SIDE:,} pixels a side, but has {size}")
    if header.scans > MAX_SCANS:
        law = f"must have at most {MAX_SCANS} scans, but has more; save it without progressive scans"
        raise HTTPError(413, f"image: {law}")


def default_max_pixels(shape: Shape) -> int:
    """Return the largest number of pixels that a model's input asks for."""
    height, width, _ = shape
    return min(MAX_MAX_PIXELS, max(MIN_MAX_PIXELS, PIXELS_A_VALUE * height * width))


def _read_jpeg(raw: bytes) -> PictureHeader | None:
    """Return the head of a JPEG, whose segments are walked up to its first scan, past those of its thumbnail."""
    frame: tuple[int, int, int, int] | None = None
    place = 2
    for _ in range(MAX_SEGMENTS):
        place = raw.find(b"\xff", place)
        segment = raw[place : place + 10]
        if place < 0 or len(segment) < 5:
            return None
        marker = segment[1]
        if marker in BARE_MARKERS:
            place += 1
            continue
        if marker in FRAMES and len(segment) == 10:
            frame = (marker, *struct.unpack(">HHB", segment[5:]))
        if marker == SCAN_MARKER[1]:
            return _header_at_scan(raw, place, frame) if frame else None
        place += 2 + int.from_bytes(segment[2:4], "big")
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


def without_extras(raw: bytes) -> bytes:
    """Return a PNG without what does not change its first picture: texts and profiles that unpack to a thousandfold.

    Raises:
        HTTPError: 413, it has too many chunks.
    """
    if not raw.startswith(PNG_START):
        return raw
    view, place = memoryview(raw), 8
    chunks = [view[:8]]
    for _ in range(MAX_CHUNKS):
        end = place + 12 + int.from_bytes(raw[place : place + 4], "big")
        name = raw[place + 4 : place + 8]
        if name in CHUNKS or raw.startswith(XMP, place + 4):
            chunks.append(view[place:end])
        place = end
        if name == b"IEND" or place >= len(raw):
            return b"".join(chunks)
    raise HTTPError(413, f"image: must have at most {MAX_CHUNKS:,} chunks; save it again")

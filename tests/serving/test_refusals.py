"""Bad requests, whose answers say what was expected; and requests of any form."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.service import IMAGE, JSON, PREDICT, ROWS, Service
from trialmaker.serving import client

PREVIEW = "/ModelMaker/preview"
MULTIPART = "multipart/form-data; boundary=a"
ODD = b'--a\r\nContent-Disposition: form-data; name="\\ud800"\r\n\r\nx\r\n--a--\r\n'
UNNAMED = b"--a\r\nContent-Type: image/png\r\n\r\nx\r\n--a--\r\n"
REFUSED = [
    # path, method, body, headers, status, start of the message
    (PREDICT, "POST", b"", JSON, 400, "the body must be JSON (NaN and Infinity are not), but "),
    (PREDICT, "POST", b"{", JSON, 400, "the body must be JSON"),
    (PREDICT, "POST", b"\xff\xfe", JSON, 400, "the body must be JSON"),
    (PREDICT, "POST", b'{"image": [NaN]}', JSON, 400, "the body must be JSON"),
    (PREDICT, "POST", b'{"image": [-Infinity]}', JSON, 400, "the body must be JSON"),
    (PREDICT, "POST", b'{"image": [1e999]}', JSON, 400, "the body must be JSON"),
    (PREDICT, "POST", b"[" * 100_000, JSON, 400, "the body must be JSON"),
    (PREDICT, "POST", b'{"image": ' + b"[" * 500 + b"]" * 500 + b"}", JSON, 400, "image: lists must be nested"),
    (PREDICT, "POST", [1], JSON, 400, 'the body must be a JSON object such as {"image": […]}, but is a list'),
    (PREDICT, "POST", {}, JSON, 400, 'expected {"image": […]}, found an empty object'),
    (PREDICT, "POST", {"picture": 1}, JSON, 400, 'expected {"image": […]}, found picture'),
    (PREDICT, "POST", {"image": [0.0] * 100}, JSON, 400, "image: expected 784 numbers, or 28x28x1, or a list of such"),
    (PREDICT, "POST", {"image": ["0"] * 784}, JSON, 400, "image: must hold numbers only, but holds a text"),
    (PREDICT, "POST", {"image": [255] * 784}, JSON, 400, "image: every number must lie in 0 to 1, but got 255; divide"),
    (PREVIEW, "POST", {"image": [[0.0] * 784] * 2}, JSON, 400, "image: must be one image here, but got 2"),
    (PREVIEW, "POST", {"image": []}, JSON, 400, "image: expected 784 numbers, or 28x28x1, or a list"),
    (PREDICT, "POST", b"x" * 1_000_001, JSON, 413, "the body must have at most 1,000,000 bytes"),
    (PREDICT, "POST", b"{}", {"Content-Type": "application/xml"}, 415, "Content-Type: must be application/json or"),
    (PREDICT, "POST", b"", {"Content-Type": "multipart/form-data"}, 400, "Content-Type: multipart/form-data needs a"),
    (PREDICT, "POST", b"--a--", {"Content-Type": "multipart/form-data; boundary=a"}, 400, "expected one field image"),
    (PREDICT, "POST", ODD, {"Content-Type": MULTIPART + "; charset=unicode_escape"}, 400, "expected one field image"),
    (PREDICT, "POST", UNNAMED, {"Content-Type": MULTIPART}, 400, "expected one field image with a PNG or JPEG file,"),
    (ROWS, "POST", {"instances": [[3e38] * 784]}, JSON, 400, "the numbers are so large that the model's answer is"),
    (ROWS, "POST", b'{"inputs": [], "signature_name": ' + b"[" * 1010 + b"]" * 1010 + b"}", JSON, 400, "Serving"),
    ("/v1/models/other/versions/3", "GET", None, {}, 404, "Servable not found for request: Specific(other, 3)"),
    (PREDICT, "GET", None, {}, 405, f"there is no GET {PREDICT}; there are: POST {PREDICT}"),
    (PREDICT, "DELETE", None, {}, 405, "there is no DELETE"),
    ("/nothing", "GET", None, {}, 404, "there is no GET /nothing; there are: "),
    (ROWS, "POST", {"instances": [[0.0]]}, JSON, 400, "instances: expected 784 numbers"),
    (ROWS, "POST", {"instances": [0.0] * 784}, JSON, 400, "instances: must be a list of images, but is one"),
    (ROWS, "POST", {}, JSON, 400, 'the request must have either "instances" or "inputs"'),
    (ROWS, "POST", {"instances": [], "inputs": []}, JSON, 400, "the request must have either"),
    (ROWS, "POST", {"inputs": {"x": []}}, JSON, 400, "inputs: the model's one input is images, but got x"),
    (ROWS, "POST", {"instances": [{"x": 1}]}, JSON, 400, "instances: the model's one input is images, but got x"),
    (ROWS, "POST", {"inputs": [], "signature_name": "other"}, JSON, 400, 'Serving signature name: "other" not found'),
    (ROWS, "POST", {"inputs": [], "signature_name": [1]}, JSON, 400, "Serving signature name"),
    ("/v1/models/other:predict", "POST", {}, JSON, 404, "Servable not found for request: Latest(other)"),
    (ROWS.replace(":", "/versions/99:"), "POST", {}, JSON, 404, "Servable not found for request: Specific(model, 99)"),
    ("/v1/models/model/versions/99", "GET", None, {}, 404, "Servable not found for request: Specific(model, 99)"),
    ("/v1/models/model/versions/x/metadata", "GET", None, {}, 404, "Servable not found for request: Specific("),
    ("/v1/models/model:classify", "POST", {}, JSON, 400, "Malformed request: POST /v1/models/model:classify"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "method", "body", "headers", "status", "text"), REFUSED)
def test_the_answer_to_a_bad_request_says_what_was_expected(
    service: Service, path: str, method: str, body: Any, headers: dict[str, str], status: int, text: str
) -> None:
    answer = service.ask(path, body, headers, method)
    assert answer.status == status and answer.headers["content-type"] == "application/json"
    assert text and answer.json["error"].startswith(text)
    assert set(answer.json) == ({"error"} if path.startswith("/v1/") else {"success", "error"})
    assert answer.json.get("success", False) is False
    assert service.ask(PREDICT, IMAGE).status == 200


def test_a_decompression_bomb_is_refused(service: Service, tmp_path: Path) -> None:
    from PIL import Image

    Image.new("L", (8000, 8000)).save(tmp_path / "bomb.png")
    body, content_type = client.file_body(tmp_path / "bomb.png")
    assert len(body) < 100_000
    answer = service.ask(PREDICT, body, {"Content-Type": content_type})
    assert (answer.status, answer.json["error"]) == (
        413,
        "image: must have at most 1,000,000 pixels, but has 8000x8000"
        "; save it as a JPEG, or save it smaller; --max-pixels raises the limit",
    )


def test_schemathesis_finds_no_server_error(service: Service, tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("schemathesis")
    done = subprocess.run(
        [str(program), "run", f"http://127.0.0.1:{service.port}/openapi.json", "--checks", "not_a_server_error",
         "--max-examples", "30", "--seed", "1", "--no-color"],
        capture_output=True, text=True, timeout=240, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert service.ask(PREDICT, IMAGE).status == 200

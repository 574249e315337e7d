"""The service as its callers meet it: the real process, deployed from a real training."""

import http.client
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from support.servers import free_port
from support.service import JSON, Service, command, serving
from trialmaker.cli import main
from trialmaker.data import digits
from trialmaker.model_store import saved_model
from trialmaker.serving import client
from trialmaker.serving.authorization import Keys

PREDICT = "/ModelMaker/predict"
ROWS = "/v1/models/model:predict"


@pytest.fixture(scope="module")
def service(published: Path) -> Iterator[Service]:
    with serving(published, "--max-body", "1000000", "--max-pixels", "1000000") as running:
        yield running


@pytest.fixture(scope="module")
def examples() -> tuple[np.ndarray, np.ndarray]:
    """Test images, float32 [N, 28, 28, 1] in [0, 1], and their labels."""
    test = digits.load(validation_fraction=0.15, test_fraction=0.2, split_seed=0).test
    return test.images.astype(np.float32) / 255, test.labels


def best(published: Path) -> Path:
    return published / "model" / str(json.loads((published / "model" / "best.json").read_text())["version"])


# ---- what is asked and answered


def test_a_published_model_answers_as_it_does_called_directly(
    service: Service, published: Path, examples: tuple[np.ndarray, np.ndarray]
) -> None:
    images, labels = examples
    expected = saved_model.load(best(published)).probabilities(images[:40])
    answer = service.ask(PREDICT, {"image": images[:40].tolist()}).json
    assert answer["success"] is True
    found = np.array([[one["probability"] for one in row] for row in answer["predictions"]])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    assert [[one["label"] for one in row] for row in answer["predictions"]] == [list("0123456789")] * 40
    assert (found.argmax(axis=1) == labels[:40]).mean() > 0.9
    single = service.ask(PREDICT, {"image": images[0].ravel().tolist()}).json["predictions"]
    assert [one["label"] for one in single] == list("0123456789")
    np.testing.assert_allclose([one["probability"] for one in single], expected[0], atol=1e-5)


def test_the_client_code_on_the_platforms_page_works_unchanged(
    service: Service, examples: tuple[np.ndarray, np.ndarray]
) -> None:
    import requests

    data = examples[0][:1].reshape(-1, 784)
    answer = requests.post(f"http://127.0.0.1:{service.port}{PREDICT}", data=json.dumps({"image": data.tolist()[0]}))
    assert answer.status_code == 200 and len(answer.json()["predictions"]) == 10


@pytest.mark.parametrize("body", ["instances", "named instances", "inputs", "named inputs"])
def test_tensorflow_servings_rows_and_columns(
    service: Service, published: Path, examples: tuple[np.ndarray, np.ndarray], body: str
) -> None:
    images = examples[0][:3]
    rows = [{"images": image} if "named" in body else image for image in images.tolist()]
    columns: Any = {"images": images.tolist()} if "named" in body else images.tolist()
    asked = {"instances": rows} if "instances" in body else {"inputs": columns}
    expected = saved_model.load(best(published)).probabilities(images)
    for path in (ROWS, f"/v1/models/model/versions/{best(published).name}:predict"):
        answer = service.ask(path, asked | {"signature_name": "serving_default"})
        assert answer.status == 200
        if "instances" in body:
            found = [row["probabilities"] for row in answer.json["predictions"]]
            classes = [row["classes"] for row in answer.json["predictions"]]
        else:
            found, classes = answer.json["outputs"]["probabilities"], answer.json["outputs"]["classes"]
        np.testing.assert_allclose(found, expected, atol=1e-5)
        assert classes == expected.argmax(axis=1).tolist()


@pytest.mark.parametrize("form", ["inputs", "instances"])
def test_mlflows_invocations(
    service: Service, published: Path, examples: tuple[np.ndarray, np.ndarray], form: str
) -> None:
    images = examples[0][:3]
    answer = service.ask("/invocations", {form: images.tolist()})
    assert answer.status == 200 and set(answer.json) == {"predictions"}
    expected = saved_model.load(best(published)).probabilities(images)
    np.testing.assert_allclose(answer.json["predictions"], expected, atol=1e-5)
    assert service.ask("/ping").status == 200
    assert service.ask("/invocations", {"dataframe_split": {}}).json["success"] is False


def test_tensorflow_servings_pages_about_a_model(service: Service, published: Path) -> None:
    number = best(published).name
    state = {"version": number, "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    for path in ("/v1/models/model", f"/v1/models/model/versions/{number}"):
        assert service.ask(path).json == {"model_version_status": [state]}
    found = service.ask("/v1/models/model/metadata").json
    assert found["model_spec"] == {"name": "model", "signature_name": "", "version": number}
    signature = found["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert [one["size"] for one in signature["inputs"]["images"]["tensor_shape"]["dim"]] == ["-1", "28", "28", "1"]
    assert signature["inputs"]["images"]["dtype"] == "DT_FLOAT" and set(signature["outputs"]) == {
        "probabilities",
        "classes",
    }


def test_health_metrics_and_documents(service: Service) -> None:
    service.ask("/nothing")
    assert service.ask("/health/live").json == {"status": "live"}
    assert service.ask("/health/ready").json == {"status": "ready"}
    text = service.ask("/metrics").body.decode()
    assert 'trialmaker_requests_total{path="other",status="404"}' in text
    assert 'trialmaker_request_seconds_bucket{le="0.001",path="/health/ready"}' in text
    assert service.ask("/openapi.json").json["openapi"] == "3.1.0"
    docs = service.ask("/docs").body.decode()
    page = service.ask("/").body.decode()
    assert not re.search(r"(src|href)=\"?https?:|@import|url\(", docs + page)  # works without internet


# ---- what is refused

IMAGE = {"image": [0.0] * 784}
MULTIPART = "multipart/form-data; boundary=a"
ODD = b'--a\r\nContent-Disposition: form-data; name="\\ud800"\r\n\r\nx\r\n--a--\r\n'
UNNAMED = b"--a\r\nContent-Type: image/png\r\n\r\nx\r\n--a--\r\n"
REFUSED = [
    # path, method, body, headers, status, what is said
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
def test_a_bad_request_is_told_what_was_expected(
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
    body, kind = client.file_body(tmp_path / "bomb.png")
    assert len(body) < 100_000
    answer = service.ask(PREDICT, body, {"Content-Type": kind})
    assert (answer.status, answer.json["error"]) == (
        413,
        "image: must have at most 1,000,000 pixels, but has 8000x8000",
    )


def test_a_picture_needs_no_file_name(service: Service, tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (30, 20)).save(tmp_path / "black.png")
    body, kind = client.file_body(tmp_path / "black.png")
    assert service.ask(PREDICT, body, {"Content-Type": kind}).status == 200
    without = re.sub(rb'; filename="[^"]*"', b"", body, count=1)
    assert without != body and service.ask(PREDICT, without, {"Content-Type": kind}).status == 200


# ---- callers that behave badly


def test_a_silent_or_slow_caller_blocks_nobody(published: Path) -> None:
    with serving(published, "--seconds", "1") as service:
        address = ("127.0.0.1", service.port)
        silent = [socket.create_connection(address) for _ in range(100)]
        slow = socket.create_connection(address)
        slow.sendall(b"POST /ModelMaker/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        began = time.monotonic()
        assert all(service.ask(PREDICT, IMAGE).status == 200 for _ in range(20))
        assert time.monotonic() - began < 5
        slow.settimeout(10)
        answer = b""
        while received := slow.recv(10_000):
            answer += received
        assert answer.startswith(b"HTTP/1.1 408 ") and answer.count(b"connection: close") == 1
        assert b"the body must come within 1 seconds" in answer
        for connection in (*silent, slow):
            connection.close()


def test_a_garbled_request_is_refused_and_a_huge_head_is_cut_off(service: Service) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as garbled:
        garbled.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert garbled.recv(1000).startswith(b"HTTP/1.1 400 ")
    for start in (b"GET /", b"GET / HTTP/1.1\r\nX: ", b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000):
        with (
            socket.create_connection(("127.0.0.1", service.port), timeout=10) as huge,
            pytest.raises((ConnectionResetError, BrokenPipeError)),
        ):
            huge.sendall(start)
            for _ in range(2000):
                huge.sendall(b"y" * 1000)
            assert huge.recv(1)
    assert service.ask(PREDICT, IMAGE).status == 200


def test_a_large_request_whose_head_comes_with_its_body_is_served(service: Service) -> None:
    images = json.dumps({"image": [[0.0] * 784] * 200}).encode()
    assert len(images) > 700_000
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as caller:
        head = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (PREDICT.encode(), len(images))
        for _ in range(3):  # on one connection
            caller.sendall(head + images)
            answer = b""
            while not answer.endswith(b"}]]}"):
                answer += caller.recv(1 << 20)
            assert answer.startswith(b"HTTP/1.1 200 ")


def test_an_answer_before_the_bodys_end_ends_the_connection(service: Service) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as caller:
        caller.sendall(b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
        answer = b""
        while received := caller.recv(10_000):
            answer += received
    assert answer.startswith(b"HTTP/1.1 404 ") and b"connection: close" in answer


# ---- authorization


def test_with_keys_set_callers_need_them(published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(published, MODELMAKER_AK="me", MODELMAKER_SK="s3cret") as service:
        for path in ("/health/live", "/health/ready", "/"):
            assert service.ask(path).status == 200
        for path in ("/metrics", "/docs", "/openapi.json", "/ModelMaker/model", "/v1/models/model", "/nothing"):
            answer = service.ask(path)
            assert answer.status == 401
            assert answer.json["error"] == "Authorization: missing or not valid"
        assert service.ask(PREDICT, IMAGE).status == 401
        assert service.ask(PREDICT, IMAGE, JSON | {"Authorization": "me"}).status == 200
        assert service.ask(PREDICT, IMAGE, JSON | {"Authorization": "you"}).status == 401
        url = f"http://127.0.0.1:{service.port}{PREDICT}"
        body = json.dumps(IMAGE).encode()
        assert client.send_request(url, body, "application/json", Keys("me", "s3cret"))["success"] is True
        assert main.main(["request", "--url", url, "--ak", "me", "--sk", "wrong"]) == 2
        assert f"{url}: answered 401 Unauthorized: Authorization: missing or not valid" in capsys.readouterr().err


# ---- the end


def test_a_service_that_is_told_to_stop_answers_all_that_it_accepted(published: Path) -> None:
    """10,000 requests on 50 connections; it is told to stop in their midst."""
    raw = json.dumps(IMAGE).encode()
    answered = [0] * 50
    broken: list[str] = []
    with serving(published) as service:

        def call(number: int) -> None:
            connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)
            try:
                connection.connect()
            except ConnectionRefusedError:
                return
            for _ in range(200):
                try:
                    connection.request("POST", PREDICT, raw, JSON)
                    answer = connection.getresponse()
                    body = answer.read()
                except OSError as error:
                    broken.append(f"{number}: {error!r}")
                    return
                if answer.status != 200 or not body.endswith(b"}]}"):
                    broken.append(f"{number}: {answer.status} {body[-100:]!r}")
                answered[number] += 1
                if answer.getheader("connection") == "close":
                    return

        threads = [threading.Thread(target=call, args=(number,)) for number in range(50)]
        for thread in threads:
            thread.start()
        while sum(answered) < 1000:
            time.sleep(0.01)
        began = time.monotonic()
        code, _, err = service.stop()
        seconds = time.monotonic() - began
        for thread in threads:
            thread.join()
    assert broken == []
    assert 1000 <= sum(answered) < 10_000
    assert (code, err) == (0, "") and seconds < 10


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_several_workers_serve_and_stop_together(published: Path, how: signal.Signals) -> None:
    with serving(published, "--workers", "2") as service:
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: service.ask(PREDICT, IMAGE).status, range(200)))
        assert answers == [200] * 200
        line = 'trialmaker_requests_total{path="/ModelMaker/predict",status="200"} 200.0'  # of both workers
        deadline = time.monotonic() + 10
        while line not in (text := service.ask("/metrics").body.decode()):  # which counts after it has answered
            assert time.monotonic() < deadline, text
            time.sleep(0.05)
        code, out, err = service.stop(how)
    assert (code, err) == (0, "")
    assert out.count("serving mlp version") == 1


def test_workers_end_when_the_process_that_started_them_is_killed(published: Path) -> None:
    with serving(published, "--workers", "2") as service:
        children = psutil.Process(service.process.pid).children()
        assert len(children) == 2
        service.process.kill()
        assert psutil.wait_procs(children, timeout=20)[1] == []


# ---- mistakes of who starts it


def test_mistakes_end_with_a_line(published: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        shutil.copytree(best(published), tmp_path / "model" / "1")
        (tmp_path / "model" / "1" / "assets.extra" / "model.tflite").unlink()
        (tmp_path / "model" / "1" / "saved_model.pb").write_bytes(b"not a model")
        free = ("--port", str(free_port()))
        table = [
            (("--model-dir", "/nothing"), "/nothing: holds no complete model; expected a published version"),
            (("--model-dir", str(published), "--port", port), f"--port {port}: cannot listen there: "),
            (("--model-dir", str(tmp_path), *free), f"{tmp_path}/model/1: TensorFlow cannot load it as a model: "),
            (("--model-dir", str(tmp_path), "--workers", "2", *free), "TensorFlow cannot load it as a model: "),
        ]
        for words, law in table:
            done = subprocess.run(command("--host", "127.0.0.1", *words), capture_output=True, text=True, timeout=60)
            lines = done.stderr.splitlines()
            assert done.returncode == 2 and len(lines) == 1 and law in lines[0], (words, done.stderr)
            assert lines[0].startswith("predict.py: error: ")


@pytest.mark.parametrize("damage", ["missing", "half", "text"])
def test_a_model_without_litert_is_served_by_tensorflow(
    published: Path, tmp_path: Path, examples: tuple[np.ndarray, np.ndarray], damage: str
) -> None:
    version = tmp_path / "5"
    shutil.copytree(best(published), version)
    program = version / "assets.extra" / "model.tflite"
    content = program.read_bytes()
    program.write_bytes(content[: len(content) // 2] if damage == "half" else b"no model")
    if damage == "missing":
        program.unlink()
    expected = saved_model.load(version).probabilities(examples[0][:2])
    with serving(tmp_path, ready=False) as service:
        deadline = time.monotonic() + 20
        answer = None
        while answer is None and time.monotonic() < deadline:
            try:
                answer = service.ask(PREDICT, IMAGE)
            except OSError:
                time.sleep(0.02)
        assert answer and answer.status == 503 and answer.headers["retry-after"] == "1"
        assert answer.json["error"] == "the model is being loaded; try again"
        while service.ask("/health/ready").status == 503:
            assert time.monotonic() < deadline + 40
            time.sleep(0.1)
        found = service.ask(PREDICT, {"image": examples[0][:2].tolist()}).json["predictions"]
        np.testing.assert_allclose([[one["probability"] for one in row] for row in found], expected, atol=1e-6)
        code, out, err = service.stop()
        assert code == 0 and " by TensorFlow on 127.0.0.1:" in out
        assert ("; TensorFlow serves it instead" in err) == (damage != "missing")


# ---- the platform's client


def test_the_platforms_client_shows_the_digit_and_the_answer(
    service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str], examples: tuple[np.ndarray, np.ndarray]
) -> None:
    url = ["--url", f"http://127.0.0.1:{service.port}{PREDICT}", "--data", str(tmp_path)]
    assert main.main(["request", "--index", "3", *url]) == 0
    lines = capsys.readouterr().out.splitlines()
    truth = str(examples[1][3])
    assert f"ground truth: {truth}" in lines and lines[-1].startswith(f"prediction: {truth} (")
    assert sum("@" in line for line in lines[:14]) >= 3
    assert json.loads(next(line for line in lines if line.startswith("response: "))[10:])["success"] is True

    from PIL import Image

    Image.fromarray(255 - (examples[0][3, :, :, 0] * 255).astype(np.uint8)).resize((300, 300)).save(tmp_path / "p.png")
    assert main.main(["request", "--image", str(tmp_path / "p.png"), *url]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"prediction: {truth} (")
    for words, law in [
        (["--index", "9999"], "--index 9999: digits has the test images 0 to 358"),
        (["--image", "/nothing.png"], "/nothing.png: expected a readable file"),
        (["--sk", "x"], "--sk: is given without --ak"),
    ]:
        assert main.main(["request", *words, *url]) == 2
        assert law in capsys.readouterr().err
    nobody = f"http://127.0.0.1:{free_port()}/ModelMaker/predict"
    assert main.main(["request", "--url", nobody]) == 2
    assert f"{nobody}: does not answer" in capsys.readouterr().err


# ---- anything at all


def test_schemathesis_finds_no_server_error(service: Service, tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("schemathesis")
    done = subprocess.run(
        [str(program), "run", f"http://127.0.0.1:{service.port}/openapi.json", "--checks", "not_a_server_error",
         "--max-examples", "30", "--seed", "1", "--no-color"],
        capture_output=True, text=True, timeout=240, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert service.ask(PREDICT, IMAGE).status == 200

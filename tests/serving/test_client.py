"""The platform's client, and the keys that callers need."""

import http.server
import json
import socket
import threading
from pathlib import Path

import numpy as np
import pytest

from support.servers import free_port
from support.service import IMAGE, JSON, PREDICT, Service, serving
from trialmaker.cli.main import main
from trialmaker.errors import UserError
from trialmaker.serving import client
from trialmaker.serving.authorization import Keys


def test_the_platforms_client_shows_the_digit_and_the_answer(
    service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str], examples: tuple[np.ndarray, np.ndarray]
) -> None:
    url = ["--url", f"http://127.0.0.1:{service.port}{PREDICT}", "--data", str(tmp_path)]
    assert main(["request", "--index", "3", *url]) == 0
    lines = capsys.readouterr().out.splitlines()
    truth = str(examples[1][3])
    assert f"ground truth: {truth}" in lines and lines[-1].startswith(f"prediction: {truth} (")
    assert sum("@" in line for line in lines[:14]) >= 3
    assert json.loads(next(line for line in lines if line.startswith("response: "))[10:])["success"] is True

    from PIL import Image

    Image.fromarray(255 - (examples[0][3, :, :, 0] * 255).astype(np.uint8)).resize((300, 300)).save(tmp_path / "p.png")
    assert main(["request", "--image", str(tmp_path / "p.png"), *url]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"prediction: {truth} (")
    for words, text in [
        (["--index", "9999"], "--index 9999: digits has the test images 0 to 358"),
        (["--image", "/nothing.png"], "/nothing.png: expected a readable file"),
        (["--sk", "x"], "--sk: is given without --ak"),
    ]:
        assert main(["request", *words, *url]) == 2
        assert text in capsys.readouterr().err
    nobody = f"http://127.0.0.1:{free_port()}/ModelMaker/predict"
    assert main(["request", "--url", nobody]) == 2
    assert f"{nobody}: does not answer (Connection refused); python predict.py starts" in capsys.readouterr().err


def test_with_keys_set_callers_need_them(published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(published, MODELMAKER_AK="me", MODELMAKER_SK="s3cret") as service:
        for path in ("/health/live", "/health/ready", "/ping", "/", "/docs", "/openapi.json"):
            assert service.ask(path).status == 200
        for path in ("/metrics", "/ModelMaker/model", "/v1/models/model", "/nothing", "/ping/x"):
            answer = service.ask(path)
            assert answer.status == 401 and answer.headers["www-authenticate"] == "WS-HMAC-SHA1"
            assert answer.json["error"].startswith("Authorization: missing or not valid; expected a signature")
        assert service.ask(PREDICT, IMAGE).status == 401
        assert service.ask(PREDICT, IMAGE, JSON | {"Authorization": "me"}).status == 401
        url = f"http://127.0.0.1:{service.port}{PREDICT}"
        body = json.dumps(IMAGE).encode()
        assert client.send_request(url, body, "application/json", Keys("me", "s3cret"))["success"] is True
        assert main(["request", "--url", url, "--ak", "me", "--sk", "wrong"]) == 2
        error = capsys.readouterr().err
        assert (
            f"{url}: answered 401 Unauthorized: Authorization: missing or not valid" in error and "wrong" not in error
        )
        _, out, err = service.stop()
        assert "s3cret" not in out + err and "AK=" not in out + err
        assert "0.0.0.0" not in out and "the service answers who signs with the secret key" in out


def test_a_redirect_takes_the_keys_nowhere(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    received = []

    class Redirecting(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.answer()

        def do_GET(self) -> None:
            self.answer()

        def answer(self) -> None:
            received.append(self.headers["authorization"])
            self.send_response(302)
            self.send_header("Location", f"http://localhost:{server.server_port}/elsewhere\x1b[2J")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setenv("MODELMAKER_AK", "me")
    with http.server.HTTPServer(("127.0.0.1", 0), Redirecting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert main(["request", "--url", f"http://127.0.0.1:{server.server_port}/"]) == 2
        server.shutdown()
    assert received == ["me"]
    error = capsys.readouterr().err
    assert "answered 302 Found, which names http://localhost:" in error and "\x1b" not in error


def test_an_answer_that_comes_before_the_body_was_read_is_told(service: Service) -> None:
    with pytest.raises(UserError, match="answered 404 Not Found: there is no POST /nothing"):
        client.send_request(f"http://127.0.0.1:{service.port}/nothing", bytes(30_000_000), "text/plain", Keys())
    with socket.create_server(("127.0.0.1", 0)) as server:

        def refuse() -> None:
            connection, _ = server.accept()
            connection.recv(100)
            connection.close()

        thread = threading.Thread(target=refuse)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        with pytest.raises(UserError, match=r"has ended the connection without an answer .*; check the address and"):
            client.send_request(url, bytes(30_000_000), "text/plain", Keys())
        thread.join()


@pytest.mark.parametrize(
    ("environment", "text"),
    [
        ({"MODELMAKER_AK": "hidden\n"}, "MODELMAKER_AK: must be printable ASCII"),
        ({"MODELMAKER_AK": "me", "MODELMAKER_SK": " hidden"}, "MODELMAKER_SK: must be printable ASCII"),
        ({"MODELMAKER_AK": "hidden", "MODELMAKER_AUTH": "signature"}, "MODELMAKER_AUTH=signature: needs a secret key"),
        ({"MODELMAKER_AK": "hidden", "MODELMAKER_AUTH": "both"}, "MODELMAKER_AUTH: must be one of ak, signature, eith"),
    ],
)
def test_keys_that_cannot_be_sent_are_not_shown(
    environment: dict[str, str], text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert main(["request", "--url", f"http://127.0.0.1:{free_port()}/"]) == 2
    error = capsys.readouterr().err
    assert text in error and "hidden" not in error

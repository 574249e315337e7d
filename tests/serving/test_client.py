"""The platform's client, and the keys that callers need."""

import json
from pathlib import Path

import numpy as np
import pytest

from support.servers import free_port
from support.service import IMAGE, JSON, PREDICT, Service, serving
from trialmaker.cli.main import main
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
    assert f"{nobody}: does not answer" in capsys.readouterr().err


def test_with_keys_set_callers_need_them(published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(published, MODELMAKER_AK="me", MODELMAKER_SK="s3cret") as service:
        for path in ("/health/live", "/health/ready", "/", "/docs", "/openapi.json"):
            assert service.ask(path).status == 200
        for path in ("/metrics", "/ModelMaker/model", "/v1/models/model", "/nothing"):
            answer = service.ask(path)
            assert answer.status == 401
            assert answer.json["error"] == "Authorization: missing or not valid"
        assert service.ask(PREDICT, IMAGE).status == 401
        assert service.ask(PREDICT, IMAGE, JSON | {"Authorization": "me"}).status == 200
        assert service.ask(PREDICT, IMAGE, JSON | {"Authorization": "you"}).status == 401
        url = f"http://127.0.0.1:{service.port}{PREDICT}"
        body = json.dumps(IMAGE).encode()
        assert client.send_request(url, body, "application/json", Keys("me", "s3cret"))["success"] is True
        assert main(["request", "--url", url, "--ak", "me", "--sk", "wrong"]) == 2
        assert f"{url}: answered 401 Unauthorized: Authorization: missing or not valid" in capsys.readouterr().err

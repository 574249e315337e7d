"""The service's answers, by each of its addresses."""

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.service import PREDICT, ROWS, Service, best_version
from trialmaker.model_store import saved_model
from trialmaker.serving import client, decoding


def test_a_published_model_answers_as_it_does_called_directly(
    service: Service, published: Path, examples: tuple[np.ndarray, np.ndarray]
) -> None:
    images, labels = examples
    expected = saved_model.load(best_version(published)).probabilities(images[:40])
    answer = service.ask(PREDICT, {"image": images[:40].tolist()}).json
    assert answer["success"] is True
    predicted = np.array([[entry["probability"] for entry in row] for row in answer["predictions"]])
    np.testing.assert_allclose(predicted, expected, atol=1e-5)
    np.testing.assert_allclose(predicted.sum(axis=1), 1, atol=1e-5)
    assert [[entry["label"] for entry in row] for row in answer["predictions"]] == [list("0123456789")] * 40
    assert (predicted.argmax(axis=1) == labels[:40]).mean() > 0.9
    single = service.ask(PREDICT, {"image": images[0].ravel().tolist()}).json["predictions"]
    assert [entry["label"] for entry in single] == list("0123456789")
    np.testing.assert_allclose([entry["probability"] for entry in single], expected[0], atol=1e-5)


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
    request = {"instances": rows} if "instances" in body else {"inputs": columns}
    expected = saved_model.load(best_version(published)).probabilities(images)
    for path in (ROWS, f"/v1/models/model/versions/{best_version(published).name}:predict"):
        answer = service.ask(path, request | {"signature_name": "serving_default"})
        assert answer.status == 200
        if "instances" in body:
            predicted = [row["probabilities"] for row in answer.json["predictions"]]
            classes = [row["classes"] for row in answer.json["predictions"]]
        else:
            predicted, classes = answer.json["outputs"]["probabilities"], answer.json["outputs"]["classes"]
        np.testing.assert_allclose(predicted, expected, atol=1e-5)
        assert classes == expected.argmax(axis=1).tolist()


@pytest.mark.parametrize("form", ["inputs", "instances"])
def test_mlflows_invocations(
    service: Service, published: Path, examples: tuple[np.ndarray, np.ndarray], form: str
) -> None:
    images = examples[0][:3]
    answer = service.ask("/invocations", {form: images.tolist()})
    assert answer.status == 200 and set(answer.json) == {"predictions"}
    expected = saved_model.load(best_version(published)).probabilities(images)
    np.testing.assert_allclose(answer.json["predictions"], expected, atol=1e-5)
    assert service.ask("/ping").status == 200
    assert service.ask("/invocations", {"dataframe_split": {}}).json["success"] is False


def test_tensorflow_servings_pages_about_a_model(service: Service, published: Path) -> None:
    number = best_version(published).name
    state = {"version": number, "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    for path in ("/v1/models/model", f"/v1/models/model/versions/{number}"):
        assert service.ask(path).json == {"model_version_status": [state]}
    metadata = service.ask("/v1/models/model/metadata").json
    assert metadata["model_spec"] == {"name": "model", "signature_name": "", "version": number}
    signature = metadata["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert [entry["size"] for entry in signature["inputs"]["images"]["tensor_shape"]["dim"]] == ["-1", "28", "28", "1"]
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


@pytest.mark.parametrize("form", ["numbers", "picture"])
def test_the_preview_is_the_answer_with_the_image_that_the_model_received(
    service: Service, tmp_path: Path, examples: tuple[np.ndarray, np.ndarray], form: str
) -> None:
    from PIL import Image

    image = examples[0][0]
    body, content_type = json.dumps({"image": image.tolist()}).encode(), "application/json"
    if form == "picture":  # dark on light
        Image.fromarray(255 - (image[:, :, 0] * 255).astype(np.uint8)).resize((90, 90)).save(tmp_path / "picture.png")
        body, content_type = client.file_body(tmp_path / "picture.png")
        raw = (tmp_path / "picture.png").read_bytes()
        image = decoding.decode_picture(raw, (28, 28, 1), max_pixels=10**6, light_on_dark=True)[0]
    answer = service.ask("/ModelMaker/preview", body, {"Content-Type": content_type}).json
    head, data = answer.pop("image").split(",")
    assert head == "data:image/png;base64"
    received = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    np.testing.assert_array_equal(received, (image[:, :, 0] * 255).round().astype(np.uint8))
    assert answer == service.ask(PREDICT, body, {"Content-Type": content_type}).json


def test_a_picture_needs_no_file_name(service: Service, tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (30, 20)).save(tmp_path / "black.png")
    body, content_type = client.file_body(tmp_path / "black.png")
    assert service.ask(PREDICT, body, {"Content-Type": content_type}).status == 200
    nameless = re.sub(rb'; filename="[^"]*"', b"", body, count=1)
    assert nameless != body and service.ask(PREDICT, nameless, {"Content-Type": content_type}).status == 200

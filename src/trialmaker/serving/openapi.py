"""The OpenAPI document of the service."""

import math
from typing import Any

from trialmaker.serving import pages
from trialmaker.serving.authorization import REQUIRED_HEADERS, SCHEME, Keys

Json = dict[str, Any]
ANY_OBJECT: Json = {"type": "object"}
NUMBERS: Json = {"description": "numbers, flat or nested: one image, or a list of images", "type": "array", "items": {}}
IMAGE_AS_FILE: Json = {
    "type": "object",
    "required": ["image"],
    "properties": {"image": {"type": "string", "format": "binary", "description": "a PNG or JPEG file"}},
}
PROBABILITIES: Json = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["label", "probability"],
        "properties": {"label": {"type": "string"}, "probability": {"type": "number", "minimum": 0, "maximum": 1}},
    },
}
PLATFORM_ANSWER: Json = {
    "type": "object",
    "required": ["success", "predictions"],
    "properties": {
        "success": {"const": True},
        "predictions": {"anyOf": [PROBABILITIES, {"type": "array", "items": PROBABILITIES}]},
    },
}
PLATFORM_ERROR: Json = {
    "type": "object",
    "required": ["success", "error"],
    "properties": {"success": {"const": False}, "error": {"type": "string"}},
}
PREVIEW: Json = {
    "type": "object",
    "required": ["success", "predictions", "image"],
    "properties": {
        "success": {"const": True},
        "predictions": PROBABILITIES,
        "image": {"type": "string", "description": "the image that the model received, as the data: URL of a PNG file"},
    },
}
TENSORFLOW_SERVING_REQUEST: Json = {
    "type": "object",
    "properties": {
        "signature_name": {"type": "string", "enum": ["serving_default"]},
        "instances": NUMBERS,
        "inputs": {"description": "the same, or an object with the field images"},
    },
}
TENSORFLOW_SERVING_ERROR: Json = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string"}},
}
VERSION_PARAMETER: Json = {
    "name": "version",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "example": "1"},
}
SIGNATURE_FORM = f"{SCHEME} AK=…,SignedHeaders={';'.join(REQUIRED_HEADERS)},Signature=…"
ERROR_STATUSES = (400, 401, 404, 408, 413, 415, 503, 504)
OF_VERSION = "_of_version"  # ends the operationId of what exists with and without a version


def document(name: str, keys: Keys, shape: tuple[int, int, int]) -> Json:
    """Return the description of every address for programs.

    An operation's ``operationId`` names its summary among the texts of the pages; ``/docs`` shows it too.

    Args:
        name: the model's, in TensorFlow Serving's addresses.
        keys: the caller's; the document says whether they are needed.
        shape: (H, W, C) of an image, for the example.
    """
    paths = {**_platform_paths(math.prod(shape)), **_tensorflow_serving_paths(f"/v1/models/{name}")}
    responses = {"200": {"description": "text"}, **_errors(PLATFORM_ERROR)}
    paths["/metrics"] = {"get": {**_described("metrics"), "responses": responses}}
    info = {"title": "TrialMaker", "version": "1"}
    return {"openapi": "3.1.0", "info": info, "paths": paths, **(_security(keys.mode) if keys.access else {})}


def _platform_paths(size: int) -> Json:
    """Return the platform's addresses and the service's own, for images of so many numbers."""
    numbers = {**NUMBERS, "example": [0.0] * size, "description": "of 0 to 1, row by row, or nested"}
    as_numbers = {"type": "object", "required": ["image"], "properties": {"image": numbers}}
    body = {"application/json": {"schema": as_numbers}, "multipart/form-data": {"schema": IMAGE_AS_FILE}}
    return {
        "/ModelMaker/predict": _post("predict", PLATFORM_ANSWER, PLATFORM_ERROR, body),
        "/ModelMaker/preview": _post("preview", PREVIEW, PLATFORM_ERROR, body),
        "/ModelMaker/model": _get("model", PLATFORM_ERROR),
        "/health/live": _get("live", PLATFORM_ERROR, is_open=True),
        "/health/ready": _get("ready", PLATFORM_ERROR, is_open=True),
    }


def _tensorflow_serving_paths(model_path: str) -> Json:
    """Return TensorFlow Serving's addresses, and MLflow's, whose requests are alike."""
    body = {"application/json": {"schema": TENSORFLOW_SERVING_REQUEST}}
    paths: Json = {"/invocations": _post("mlflow", ANY_OBJECT, PLATFORM_ERROR, body)}
    version_path = model_path + "/versions/{version}"
    for path, suffix, parameters in ((model_path, "", []), (version_path, OF_VERSION, [VERSION_PARAMETER])):
        operations = {
            f"{path}:predict": _post("tensorflow_serving" + suffix, ANY_OBJECT, TENSORFLOW_SERVING_ERROR, body),
            path: _get("status" + suffix, TENSORFLOW_SERVING_ERROR),
            f"{path}/metadata": _get("metadata" + suffix, TENSORFLOW_SERVING_ERROR),
        }
        paths |= {address: {**operation, "parameters": parameters} for address, operation in operations.items()}
    return paths


def _security(mode: str) -> Json:
    forms = {"ak": "the access key", "signature": SIGNATURE_FORM, "either": f"the access key, or {SIGNATURE_FORM}"}
    scheme = {"type": "apiKey", "in": "header", "name": "Authorization", "description": forms[mode], "x-auth": mode}
    return {"components": {"securitySchemes": {"key": scheme}}, "security": [{"key": []}]}


def _post(operation_id: str, answer: Json, error: Json, content: Json) -> Json:
    body = {"required": True, "content": content}
    responses = {**_success(answer), **_errors(error)}
    return {"post": {**_described(operation_id), "requestBody": body, "responses": responses}}


def _get(operation_id: str, error: Json, *, is_open: bool = False) -> Json:
    operation = {**_described(operation_id), "responses": {**_success(ANY_OBJECT), **_errors(error)}}
    return {"get": operation | ({"security": []} if is_open else {})}


def _described(operation_id: str) -> Json:
    summary = pages.texts()[f"operation_{operation_id.removesuffix(OF_VERSION)}"]["en"]
    return {"operationId": operation_id, "summary": summary}


def _success(answer: Json) -> Json:
    return {"200": {"description": "done", "content": {"application/json": {"schema": answer}}}}


def _errors(error: Json) -> Json:
    content = {"application/json": {"schema": error}}
    texts = pages.texts()
    return {
        str(status): {"description": texts[f"status_{status}"]["en"], "content": content} for status in ERROR_STATUSES
    }

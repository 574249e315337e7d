"""The OpenAPI document of the service."""

from typing import Any

from trialmaker.serving.authorization import Keys

Json = dict[str, Any]
NUMBERS: Json = {"description": "numbers, flat or nested: one image, or a list of images", "type": "array", "items": {}}
IMAGE_AS_NUMBERS: Json = {
    "type": "object",
    "required": ["image"],
    "properties": {"image": {**NUMBERS, "example": [0.0] * 784, "description": "of 0 to 1, row by row, or nested"}},
}
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
STATUS_DESCRIPTIONS = {
    400: "the body is not what was expected", 401: "the key is missing or wrong", 404: "there is no such version",
    408: "the body came too slowly", 413: "too large", 415: "another type of content",
    503: "too many requests, or no model yet", 504: "too slow",
}  # fmt: skip


def document(name: str, keys: Keys) -> Json:
    """Return the description of every address for programs.

    Args:
        name: the model's, in TensorFlow Serving's addresses.
        keys: the caller's; the document says whether they are needed.
    """
    paths = {**_platform_paths(), **_tensorflow_serving_paths(f"/v1/models/{name}")}
    paths["/metrics"] = {
        "get": {"summary": "For Prometheus", "responses": {"200": {"description": "text"}, **_errors(PLATFORM_ERROR)}}
    }
    info = {"title": "TrialMaker", "version": "1"}
    return {"openapi": "3.1.0", "info": info, "paths": paths, **(_security() if keys.access else {})}


def _platform_paths() -> Json:
    return {
        "/ModelMaker/predict": _post(
            "The probability of each class, in class order",
            PLATFORM_ANSWER,
            PLATFORM_ERROR,
            {"application/json": {"schema": IMAGE_AS_NUMBERS}, "multipart/form-data": {"schema": IMAGE_AS_FILE}},
        ),
        "/ModelMaker/model": _get("What is served", PLATFORM_ERROR),
        "/health/live": _get("Whether the process runs", PLATFORM_ERROR, is_open=True),
        "/health/ready": _get("Whether the model has answered once", PLATFORM_ERROR, is_open=True),
    }


def _tensorflow_serving_paths(model_path: str) -> Json:
    """Return TensorFlow Serving's addresses, and MLflow's, whose requests are alike."""
    body = {"application/json": {"schema": TENSORFLOW_SERVING_REQUEST}}
    paths: Json = {"/invocations": _post("As mlflow models serve", {"type": "object"}, PLATFORM_ERROR, body)}
    for path, parameters in ((model_path, []), (model_path + "/versions/{version}", [VERSION_PARAMETER])):
        operations = {
            f"{path}:predict": _post("As TensorFlow Serving", {"type": "object"}, TENSORFLOW_SERVING_ERROR, body),
            path: _get("The version's state", TENSORFLOW_SERVING_ERROR),
            f"{path}/metadata": _get("The signature", TENSORFLOW_SERVING_ERROR),
        }
        paths |= {address: {**operation, "parameters": parameters} for address, operation in operations.items()}
    return paths


def _security() -> Json:
    text = "the access key, or WS-HMAC-SHA1 AK=…,SignedHeaders=host;content-type;date,Signature=…"
    scheme = {"type": "apiKey", "in": "header", "name": "Authorization", "description": text}
    return {"components": {"securitySchemes": {"key": scheme}}, "security": [{"key": []}]}


def _post(summary: str, answer: Json, error: Json, content: Json) -> Json:
    body = {"required": True, "content": content}
    return {"post": {"summary": summary, "requestBody": body, "responses": {**_success(answer), **_errors(error)}}}


def _get(summary: str, error: Json, *, is_open: bool = False) -> Json:
    operation: Json = {"summary": summary, "responses": {**_success({"type": "object"}), **_errors(error)}}
    return {"get": operation | ({"security": []} if is_open else {})}


def _success(answer: Json) -> Json:
    return {"200": {"description": "done", "content": {"application/json": {"schema": answer}}}}


def _errors(error: Json) -> Json:
    content = {"application/json": {"schema": error}}
    return {str(code): {"description": text, "content": content} for code, text in STATUS_DESCRIPTIONS.items()}

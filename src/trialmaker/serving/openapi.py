"""The OpenAPI document of the service."""

from typing import Any

from trialmaker.serving.authorization import Keys

Json = dict[str, Any]
NUMBERS: Json = {"description": "numbers, flat or nested: one image, or a list of images", "type": "array", "items": {}}
IMAGE: Json = {
    "type": "object",
    "required": ["image"],
    "properties": {"image": {**NUMBERS, "example": [0.0] * 784, "description": "of 0 to 1, row by row, or nested"}},
}
PICTURE: Json = {
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
PREDICTION: Json = {
    "type": "object",
    "required": ["success", "predictions"],
    "properties": {
        "success": {"const": True},
        "predictions": {"anyOf": [PROBABILITIES, {"type": "array", "items": PROBABILITIES}]},
    },
}
REFUSED: Json = {
    "type": "object",
    "required": ["success", "error"],
    "properties": {"success": {"const": False}, "error": {"type": "string"}},
}
ERROR: Json = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
ROWS: Json = {
    "type": "object",
    "properties": {
        "signature_name": {"type": "string", "enum": ["serving_default"]},
        "instances": NUMBERS,
        "inputs": {"description": "the same, or an object with the field images"},
    },
}
CODES = {
    400: "the body is not what was expected", 401: "the key is missing or wrong", 404: "there is no such version",
    408: "the body came too slowly", 413: "too large", 415: "another type of content",
    503: "too many requests, or no model yet", 504: "too slow",
}  # fmt: skip


def document(name: str, keys: Keys) -> Json:
    """Of every address.

    Args:
        name: of the model.
        keys: of the caller; the document says whether they are asked for.
    """
    model = f"/v1/models/{name}"
    paths: Json = {
        "/ModelMaker/predict": _post(
            "The probability of each class, in class order", PREDICTION, REFUSED,
            {"application/json": {"schema": IMAGE}, "multipart/form-data": {"schema": PICTURE}},
        ),
        "/ModelMaker/model": _get("What is served", {"type": "object"}, REFUSED),
        "/health/live": _get("Whether the process runs", {"type": "object"}, REFUSED, is_open=True),
        "/health/ready": _get("Whether the model has answered once", {"type": "object"}, REFUSED, is_open=True),
    }  # fmt: skip
    body = {"application/json": {"schema": ROWS}}
    paths["/invocations"] = _post("As mlflow models serve", {"type": "object"}, REFUSED, body)
    for path, parameters in ((model, []), (model + "/versions/{version}", [VERSION])):
        predict = _post("As TensorFlow Serving", {"type": "object"}, ERROR, body)
        paths[f"{path}:predict"] = {**predict, "parameters": parameters}
        paths[path] = {**_get("The version's state", {"type": "object"}, ERROR), "parameters": parameters}
        paths[f"{path}/metadata"] = {**_get("The signature", {"type": "object"}, ERROR), "parameters": parameters}
    paths["/metrics"] = {
        "get": {"summary": "For Prometheus", "responses": {"200": {"description": "text"}, **_no(REFUSED)}}
    }
    found: Json = {"openapi": "3.1.0", "info": {"title": "TrialMaker", "version": "1"}, "paths": paths}
    if keys.access:
        text = "the access key, or WS-HMAC-SHA1 AK=…,SignedHeaders=host;content-type;date,Signature=…"
        scheme = {"type": "apiKey", "in": "header", "name": "Authorization", "description": text}
        found |= {"components": {"securitySchemes": {"key": scheme}}, "security": [{"key": []}]}
    return found


VERSION: Json = {"name": "version", "in": "path", "required": True, "schema": {"type": "string", "example": "1"}}


def _post(summary: str, answer: Json, error: Json, content: Json) -> Json:
    body = {"required": True, "content": content}
    return {"post": {"summary": summary, "requestBody": body, "responses": {**_yes(answer), **_no(error)}}}


def _get(summary: str, answer: Json, error: Json, *, is_open: bool = False) -> Json:
    operation: Json = {"summary": summary, "responses": {**_yes(answer), **_no(error)}}
    return {"get": operation | ({"security": []} if is_open else {})}


def _yes(answer: Json) -> Json:
    return {"200": {"description": "done", "content": {"application/json": {"schema": answer}}}}


def _no(error: Json) -> Json:
    content = {"application/json": {"schema": error}}
    return {str(code): {"description": text, "content": content} for code, text in CODES.items()}

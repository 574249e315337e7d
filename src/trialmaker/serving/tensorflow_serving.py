"""TensorFlow Serving's REST API: https://www.tensorflow.org/tfx/serving/api_rest."""

from typing import Any

import numpy as np
import orjson

from trialmaker.serving import decoding
from trialmaker.serving.errors import HTTPError
from trialmaker.serving.predictor import Model

SIGNATURE = "serving_default"
INPUT = "images"
Json = dict[str, Any]


def images(body: bytes, shape: decoding.Shape) -> tuple[np.ndarray, bool]:
    """The images of a predict request, and whether the answer goes by rows (``instances``) or by columns.

    Raises:
        Refused: neither or both are there, or another signature is asked for.
    """
    asked = decoding.parse(body)
    if (signature := asked.get("signature_name", SIGNATURE)) != SIGNATURE:
        name = signature if isinstance(signature, str) else "no text"
        raise HTTPError(400, f'Serving signature name: "{name}" not found in signature def; there is {SIGNATURE}')
    by_rows = "instances" in asked
    if by_rows == ("inputs" in asked):
        raise HTTPError(400, 'the request must have either "instances" or "inputs"')
    name = "instances" if by_rows else "inputs"
    value = _rows(asked[name]) if by_rows else _named(asked[name], name)
    found, is_batch = decoding.images(value, shape, name)
    if not is_batch:
        raise HTTPError(400, f"{name}: must be a list of images, but is one; put it into a list")
    return found, by_rows


def answer(probabilities: np.ndarray, by_rows: bool) -> bytes:
    """The JSON of a predict answer."""
    classes = probabilities.argmax(axis=1)
    found: Json = {"outputs": {"probabilities": probabilities, "classes": classes}}
    if by_rows:
        rows = zip(probabilities, classes.tolist(), strict=True)
        found = {"predictions": [{"probabilities": row, "classes": number} for row, number in rows]}
    return orjson.dumps(found, option=orjson.OPT_SERIALIZE_NUMPY)


def status(model: Model) -> Json:
    """Of the one version that is served."""
    state = {"state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    return {"model_version_status": [{"version": str(model.version.number), **state}]}


def metadata(model: Model, name: str) -> Json:
    """The signature, as TensorFlow Serving shows it."""

    def tensor(dtype: str, tensor_name: str, *sizes: int) -> Json:
        shape = {"dim": [{"size": str(size), "name": ""} for size in sizes], "unknown_rank": False}
        return {"dtype": dtype, "tensor_shape": shape, "name": tensor_name}

    signature = {
        "inputs": {INPUT: tensor("DT_FLOAT", f"{SIGNATURE}_{INPUT}:0", -1, *model.input_shape)},
        "outputs": {
            "classes": tensor("DT_INT64", "StatefulPartitionedCall:0", -1),
            "probabilities": tensor("DT_FLOAT", "StatefulPartitionedCall:1", -1, len(model.class_names)),
        },
        "method_name": "tensorflow/serving/predict",
        "defaults": {},
    }
    spec = {"name": name, "signature_name": "", "version": str(model.version.number)}
    return {"model_spec": spec, "metadata": {"signature_def": {"signature_def": {SIGNATURE: signature}}}}


def _rows(value: Any) -> Any:
    """``instances`` without the input's name, which each may carry."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [_named(row, "instances") for row in value]
    return value


def _named(value: Any, name: str) -> Any:
    if not isinstance(value, dict):
        return value
    if set(value) != {INPUT}:
        raise HTTPError(400, f"{name}: the model's one input is {INPUT}, but got {', '.join(value) or 'none'}")
    return value[INPUT]
